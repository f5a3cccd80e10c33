//! The audit trail becomes JSON.

use antiphon_node::{TrailLine, TrailVerdict};

use crate::dto::{TrailLineDto, TrailVerdictDto};
use crate::time::rfc3339;

pub(crate) fn trail_line(line: TrailLine) -> TrailLineDto {
    let TrailLine { number, act, hash } = line;
    TrailLineDto {
        number,
        timestamp: rfc3339(act.at),
        operation: act.operation.name().to_owned(),
        node: act.node.to_string(),
        address: act.address,
        role: act.role,
        content_type: act.content_type,
        size: act.size,
        success: act.error.is_none(),
        error: act.error,
        trail_id: act.trail.to_string(),
        hash: hash.to_string(),
    }
}

/// `asked`: whether a hash was given that must be there.
pub(crate) fn trail_verdict(verdict: TrailVerdict, asked: bool) -> TrailVerdictDto {
    TrailVerdictDto {
        ok: verdict.broken.is_none() && (!asked || verdict.noted.is_some()),
        lines: verdict.lines,
        head: verdict.head.map(|hash| hash.to_string()),
        broken_at: verdict.broken.map(|(line, _)| line),
        why: verdict.broken.map(|(_, why)| why.to_owned()),
        noted_at: verdict.noted,
    }
}
