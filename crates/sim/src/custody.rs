//! Who holds what: the database's part of missing payloads and custody receipts.

use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, NodeClock};
use antiphon_protocol::sync::{Answer, Ask, Input, PAGE_BYTES_MAX, RECEIPTS_SENT_MAX};
use antiphon_store::KeptReceipt;

use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// Whether a job for custody changes the database.
pub(crate) const fn writes(ask: &Ask) -> bool {
    matches!(ask, Ask::Fill { .. } | Ask::Keep(_))
}

const fn ask_log(ask: &Ask) -> Option<LogId> {
    match ask {
        Ask::Fill { log, .. } => Some(*log),
        _ => None,
    }
}

impl World {
    /// The database of a node gets to what a session asks about custody.
    pub(crate) fn custody(&mut self, node: usize, peer: usize, epoch: u64, ask: Ask) -> Step {
        let (now, for_peer, key) = (self.nodes[node].clock(self.at), self.nodes[peer].id, self.nodes[node].key.clone());
        let forks: Vec<LogId> = ask_log(&ask).into_iter().filter(|log| self.may_fork(log)).collect();
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let answer = match ask {
            Ask::Missing { after, limit } => Answer::Missing(up.db.reader().missing_after(after, limit)?),
            Ask::Payloads { log, seqs, .. } if self.options.sabotage == Some(Sabotage::GiveNothing) => {
                let through = seqs.last().copied().unwrap_or(0);
                Answer::Payloads { log, through, items: Vec::new() }
            }
            Ask::Payloads { log, seqs, max_bytes } => {
                let (through, items) = up.db.reader().payloads(log, &seqs, max_bytes, &for_peer)?;
                Answer::Payloads { log, through, items }
            }
            Ask::Fill { log, items } => {
                let may_fork = forks.contains(&log);
                let fits = match up.db.fill_wanted(log, items) {
                    Ok(done) => {
                        self.tally.exercised.add(Class::Asked, done.filled as u64);
                        done.fits
                    }
                    Err(error) if error.is_full() => true,
                    Err(error) => return Err(error.into()),
                };
                // Nobody gives anything but what the author wrote; of two branches each has its own.
                need(fits || may_fork, Law::NoFalseAlarm, || {
                    format!("n{node} got a payload of {log} that does not fit")
                })?;
                self.committed(node)?;
                Answer::Fill { log, fits }
            }
            Ask::Receipts { own, theirs } => {
                let reader = up.db.reader();
                // Nothing is signed while something that was erased may still be in a file.
                let own = if own && !reader.purge_pending()? { reader.custody(now)? } else { None };
                if let Some(own) = &own {
                    let held: NodeClock = reader.clock()?;
                    let holds = own.heads.iter().all(|(log, head)| held.get(log) == Some(head));
                    need(holds || !own.gaps.is_empty(), Law::OnlyDurableIsConfirmed, || {
                        format!("n{node} signs for too much")
                    })?;
                }
                let members = up.team.as_ref().map(|team| &team.membership);
                let list = members.map(|members| reader.receipt_list(members, &for_peer)).transpose()?;
                let list = list.unwrap_or_default();
                let lacked = match theirs {
                    Some(theirs) => reader.receipts_lacked(&list, &theirs, RECEIPTS_SENT_MAX, PAGE_BYTES_MAX)?,
                    None => Vec::new(),
                };
                let own = own.map(|custody| self.boast(custody));
                own.iter().try_for_each(|custody| self.check_receipt(node, custody))?;
                let own = own.map(|custody| custody.sign(key.as_ref()));
                Answer::Receipts { own, list, lacked }
            }
            Ask::Keep(receipts) => return self.keep_receipts(node, receipts),
        };
        self.tell_session(node, peer, epoch, vec![Input::Custody(answer)]);
        Ok(())
    }

    fn keep_receipts(&mut self, node: usize, receipts: Vec<antiphon_core::custody::Receipt>) -> Step {
        let own: NodeId = self.nodes[node].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some(team) = up.team.clone() else { return Ok(()) };
        let mut kept = Vec::new();
        for receipt in receipts {
            let custody = receipt.verify(&team.own.team).ok();
            // Two teams may meet while one of the nodes moves.
            let Some(custody) = custody.filter(|custody| custody.node != own) else { continue };
            if team.membership.member(&custody.node).is_some() {
                kept.push(KeptReceipt { node: custody.node, at: custody.at, receipt });
            }
        }
        match up.db.put_receipts(&kept) {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }
}
