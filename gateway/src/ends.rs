//! When our own certificates end: the one that the listeners show, and those that the apps log in with upstream. Whoever has to renew one hears of
//! it thirty days before: at the start, when certificates are read again, and once a day.

use std::time::{Duration, SystemTime};

use apns_net::credentials::CertificateInfo;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::store::unix_seconds;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const SOON: Duration = Duration::from_secs(30 * DAY.as_secs());

/// Of all certificates that were read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The listeners'.
    pub(crate) listen: End,
    /// In the order of the configuration; none where the login is a key, which does not end.
    pub(crate) apps: Vec<Option<End>>,
}

/// Of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The configuration key that names it.
    key: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Ends {
    /// What there is to say of them.
    pub(crate) fn warnings(&self, now: SystemTime) -> impl Iterator<Item = String> {
        let all = [&self.listen].into_iter().chain(self.apps.iter().flatten());
        all.filter_map(move |end| end.warning(now))
    }
}

impl End {
    pub(crate) fn of(key: String, certificate: &CertificateInfo) -> Self {
        Self {
            key,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
    }

    /// The last second that it is valid in, since 1970.
    pub(crate) fn at(&self) -> u64 {
        unix_seconds(self.not_after)
    }

    fn warning(&self, now: SystemTime) -> Option<String> {
        let key = &self.key;
        let left = self.not_after.duration_since(now).ok();
        match left.filter(|_| self.not_before <= now) {
            None => Some(format!(
                "{key}: this certificate is not valid today; peers that look will refuse it"
            )),
            Some(left) if left <= SOON => Some(format!(
                "{key}: this certificate ends in {}: put a new one in its place and send SIGHUP",
                days(left)
            )),
            Some(_) => None,
        }
    }
}

/// How long that is, for people.
pub(crate) fn days(span: Duration) -> String {
    match span.as_secs() / DAY.as_secs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Says once a day what there is to say.
pub(crate) async fn remind(ends: watch::Receiver<Ends>, mut say: impl FnMut(String)) {
    loop {
        sleep(DAY).await;
        let warnings: Vec<_> = ends.borrow().warnings(SystemTime::now()).collect();
        warnings.into_iter().for_each(&mut say);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn end(not_before: SystemTime, left: Duration) -> End {
        End {
            key: "listen.certificate".to_owned(),
            not_before,
            not_after: not_before + left,
        }
    }

    #[test]
    fn a_certificate_is_worth_a_warning_from_thirty_days_before_its_end() {
        let said = |left| end(NOW, left).warning(NOW).unwrap_or_default();
        let second = Duration::from_secs(1);
        assert_eq!(said(SOON + second), "");
        assert!(said(SOON).contains("listen.certificate: this certificate ends in 30 days"));
        assert!(said(2 * DAY - second).contains("ends in 1 day:"));
        assert!(said(DAY - second).contains("ends in less than a day:"));
        let after = |later| end(NOW, DAY).warning(NOW + DAY + later).unwrap();
        assert!(after(Duration::ZERO).contains("less than a day"));
        assert!(after(second).contains("not valid today"));
        let before = end(NOW + second, 100 * DAY).warning(NOW).unwrap();
        assert!(before.contains("not valid today"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_said_once_a_day_of_those_that_were_read_last() {
        let now = SystemTime::now();
        let far = Ends {
            listen: end(now, 100 * DAY),
            apps: vec![None, Some(end(now, 100 * DAY))],
        };
        let near = Ends {
            apps: vec![None, Some(end(now, 10 * DAY))],
            ..far.clone()
        };
        let (start, current) = (Instant::now(), watch::Sender::new(far));
        let mut said = Vec::new();
        let reminded = remind(current.subscribe(), |_| {
            said.push(start.elapsed().as_secs() / DAY.as_secs());
        });
        let renewals = async {
            sleep(3 * DAY / 2).await;
            current.send_replace(near);
            sleep(3 * DAY).await;
        };
        let both = async { tokio::join!(reminded, renewals) };
        assert!(timeout(9 * DAY / 2, both).await.is_err(), "for ever");
        assert_eq!(said, [2, 3, 4]);
    }
}
