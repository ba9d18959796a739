//! `.apns` files, as `xcrun simctl push` takes them: a payload that also says, under `Simulator Target Bundle`, which app it is for.

use serde_json::{Map, Value};

/// The member that names the app.
const BUNDLE: &str = "Simulator Target Bundle";
/// Of the payload; the limit of `simctl`, and of today's APNs.
const PAYLOAD_LEN_MAX: usize = 4096;

/// A payload and the app it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct ApnsFile {
    /// The app's bundle id.
    pub topic: String,
    payload: Map<String, Value>,
}

/// Why a text is no `.apns` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApnsFileError {
    /// Not JSON.
    #[error("the file is not JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error(
        "the file is not a JSON object such as {{\"Simulator Target Bundle\": \"com.example.Mail\", \"aps\": {{\"alert\": \"hi\"}}}}"
    )]
    NotAnObject,
    /// It names no app.
    #[error(
        "the file does not say which app it is for: add \"Simulator Target Bundle\": \"<bundle id>\""
    )]
    NoBundle,
    /// There is no `aps`.
    #[error("the file has no aps dictionary, without which a phone can do nothing with it")]
    NoAps,
    /// The payload is too long.
    #[error("the payload has {len} bytes, {PAYLOAD_LEN_MAX} at most are delivered")]
    TooLong {
        /// How long it is.
        len: usize,
    },
}

impl ApnsFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, and what to write instead.
    pub fn parse(text: &[u8]) -> Result<Self, ApnsFileError> {
        let value = serde_json::from_slice(text)
            .map_err(|error| ApnsFileError::NotJson(error.to_string()))?;
        let Value::Object(mut payload) = value else {
            return Err(ApnsFileError::NotAnObject);
        };
        let Some(Value::String(topic)) = payload.remove(BUNDLE) else {
            return Err(ApnsFileError::NoBundle);
        };
        if !payload.get("aps").is_some_and(Value::is_object) {
            return Err(ApnsFileError::NoAps);
        }
        let file = Self { topic, payload };
        match file.payload().len() {
            ..=PAYLOAD_LEN_MAX => Ok(file),
            len => Err(ApnsFileError::TooLong { len }),
        }
    }

    /// Makes the file of a payload.
    ///
    /// # Errors
    ///
    /// When the payload is no JSON object: there is no file of it.
    pub fn of(topic: &str, payload: &[u8]) -> Result<Self, ApnsFileError> {
        match serde_json::from_slice(payload) {
            Ok(Value::Object(payload)) => Ok(Self {
                topic: topic.to_owned(),
                payload,
            }),
            Ok(_) => Err(ApnsFileError::NotAnObject),
            Err(error) => Err(ApnsFileError::NotJson(error.to_string())),
        }
    }

    /// The payload alone, as it is sent.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(&self.payload).expect("its keys are strings")
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut file = self.payload.clone();
        file.insert(BUNDLE.to_owned(), Value::String(self.topic.clone()));
        serde_json::to_string_pretty(&file).expect("its keys are strings") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_out_as_it_came_in() {
        let text =
            br#"{"Simulator Target Bundle":"com.example.Mail","aps":{"alert":"hi"},"acme":[1]}"#;
        let file = ApnsFile::parse(text).unwrap();
        assert_eq!(file.topic, "com.example.Mail");
        assert_eq!(file.payload(), br#"{"acme":[1],"aps":{"alert":"hi"}}"#);
        assert_eq!(ApnsFile::parse(file.text().as_bytes()), Ok(file.clone()));
        assert_eq!(ApnsFile::of("com.example.Mail", &file.payload()), Ok(file));
    }

    #[test]
    fn what_is_no_file_says_why() {
        let with = |rest: &str| format!(r#"{{"Simulator Target Bundle":"a","aps":{rest}}}"#);
        for (text, sentence) in [
            ("{".to_owned(), "not JSON"),
            ("[]".to_owned(), "not a JSON object such as {\"Sim"),
            (
                r#"{"aps":{}}"#.to_owned(),
                "add \"Simulator Target Bundle\"",
            ),
            (
                r#"{"aps":{},"Simulator Target Bundle":7}"#.to_owned(),
                "add \"Simulator Target Bundle\"",
            ),
            (with("7"), "no aps dictionary"),
            (
                with(&format!(r#"{{"alert":"{}"}}"#, "x".repeat(4096))),
                "4096 at most",
            ),
        ] {
            let error = ApnsFile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
        assert_eq!(ApnsFile::of("a", b"7"), Err(ApnsFileError::NotAnObject));
    }
}
