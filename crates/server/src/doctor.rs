//! Looking at a home whose node does not run.

use antiphon_node::Home;

use crate::convert;
use crate::dto::DoctorDto;

/// What can be said of a home without its node, in the shape in which the node says it.
pub fn offline(home: &Home, reserve_bytes: u64) -> DoctorDto {
    convert::doctor(antiphon_node::examine_home(home, reserve_bytes), false)
}
