//! What is measured, and how much of it.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use crate::report::Report;
use crate::{backlog, fairness, gateway, simulator};

/// How much of everything. Each figure is of a steady state: a fifth of the notifications, or what fills the simulator's memory, goes before and is not counted.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// What is measured; everything, if it is not said
    #[arg(long = "role", value_name = "ROLE", value_enum)]
    roles: Vec<Role>,
    /// Notifications per figure of the simulator's binary protocol; a quarter of them per figure of HTTP/2 and of the gateway
    #[arg(long, value_name = "N", default_value = "1000000")]
    notifications: NonZeroUsize,
    /// Provider connections to the simulator, where there are many
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) connections: NonZeroUsize,
    /// Virtual phones of the simulator, where there are many
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(crate) phones: NonZeroUsize,
    /// Idle virtual phones whose memory is measured
    #[arg(long, value_name = "N", default_value = "100000")]
    pub(crate) idle_phones: NonZeroUsize,
    /// Idle courier connections whose memory is measured
    #[arg(long, value_name = "N", default_value = "500")]
    pub(crate) couriers: NonZeroUsize,
    /// Backends' connections to the gateway, where there are many; a tenth of them is measured as well
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) backends: NonZeroUsize,
    /// Notifications that wait in the gateway's store; a tenth of them is measured as well. And those beside which a few of another backend's are sent
    #[arg(long, value_name = "N", default_value = "1000000")]
    backlog: NonZeroUsize,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// What a push costs the simulator, and an idle phone
    Simulator,
    /// What a notification costs the gateway, from the backend to the upstream
    Gateway,
    /// What it costs the gateway when the upstream was down for long
    Backlog,
    /// How long a few notifications take beside many of another backend's
    Fairness,
}

impl Plan {
    /// Measures it.
    pub(crate) async fn run(&self) -> anyhow::Result<Report> {
        let mut figures = Vec::new();
        for role in Role::value_variants() {
            if self.roles.is_empty() || self.roles.contains(role) {
                figures.extend(match role {
                    Role::Simulator => simulator::figures(self).await?,
                    Role::Gateway => gateway::figures(self).await?,
                    Role::Backlog => backlog::figures(self.backlog.get()).await?,
                    Role::Fairness => fairness::figures(self.backlog.get()).await?,
                });
            }
        }
        Ok(Report { figures })
    }

    /// Of a figure that costs little.
    pub(crate) const fn notifications(&self) -> usize {
        self.notifications.get()
    }

    /// Of one that costs more.
    pub(crate) const fn notifications_fewer(&self) -> usize {
        self.notifications.get().div_ceil(4)
    }
}
