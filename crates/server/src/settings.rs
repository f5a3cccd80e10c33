//! The settings of the program that runs the node. The doors show them and have them read again; where they come from, and
//! what they mean, the program knows.

use std::fmt;

use futures::future::BoxFuture;

use crate::dto::{FindingDto, ReloadedDto, SettingsDto};
use crate::error::{Code, Problem};
use crate::service::Service;

/// What a program that runs a node knows of its settings.
pub trait Settings: fmt::Debug + Send + Sync + 'static {
    /// The settings as they hold, and what changed in the file since.
    fn show(&self) -> SettingsDto;

    /// What a person should mend: a file that could not be read again, settings that wait for a restart.
    fn findings(&self) -> Vec<FindingDto>;

    /// How long something may stand still before the doctor names it, in milliseconds.
    fn stuck_ms(&self) -> u64;

    /// Reads the settings again and goes by those that can be changed while the node runs.
    ///
    /// # Errors
    /// A problem with the file; then nothing changed.
    fn reload(&self) -> BoxFuture<'_, Result<ReloadedDto, Problem>>;
}

impl Service {
    pub(crate) fn settings(&self) -> Result<SettingsDto, Problem> {
        self.config().map(|config| config.show())
    }

    pub(crate) async fn reload_settings(&self) -> Result<ReloadedDto, Problem> {
        self.config()?.reload().await
    }

    fn config(&self) -> Result<&dyn Settings, Problem> {
        let none = || Problem::new(Code::NotFound, "this node was started by a program without a configuration");
        self.config.as_deref().ok_or_else(none)
    }
}
