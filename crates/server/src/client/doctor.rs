//! The call of the doctor.

use super::{Client, ClientError};
use crate::dto::DoctorDto;

impl Client {
    /// Looks for what is wrong with the node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn doctor(&self) -> Result<DoctorDto, ClientError> {
        self.get("/api/v1/doctor").await
    }
}
