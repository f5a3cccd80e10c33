//! The parts of the messages about custody, as bytes.

use antiphon_core::cbor::{self, Error};
use antiphon_core::custody::{GAPS_MAX, LOGS_MAX, Receipt, STUCK_MAX};
use antiphon_core::event::CHARTER_PAYLOAD_BYTES_MAX;
use antiphon_core::ids::NodeId;
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use minicbor::Decoder;

use super::custody::{RECEIPTS_LISTED_MAX, RECEIPTS_SENT_MAX, ReceiptList};
use super::wants::{Item, WANTED_MAX};
use crate::wire::Out;

/// Longest receipt, in bytes: what its longest lists come to.
const RECEIPT_BYTES_MAX: usize = 256 + 64 * LOGS_MAX + 48 * GAPS_MAX + 80 * STUCK_MAX;
/// Largest sequence number that is believed: what a database's integers hold.
pub(super) const SEQ_MAX: u64 = i64::MAX.unsigned_abs();

pub(super) fn write_seqs(out: &mut Out<'_>, seqs: &[u64]) {
    cbor::array(out, seqs.len());
    let mut before = 0;
    for seq in seqs {
        cbor::uint(out, seq.saturating_sub(before));
        before = *seq;
    }
}

pub(super) fn read_seqs(input: &mut Decoder<'_>) -> Result<Vec<u64>, Error> {
    let len = cbor::read_list(input, WANTED_MAX)?;
    let mut seqs: Vec<u64> = Vec::new();
    for _ in 0..len {
        let step = input.u64()?;
        let seq = seqs.last().copied().unwrap_or(0).checked_add(step).filter(|seq| step > 0 && *seq <= SEQ_MAX);
        seqs.push(seq.ok_or(Error::Value("sequence numbers ascend"))?);
    }
    if seqs.is_empty() { Err(Error::Value("a request for nothing")) } else { Ok(seqs) }
}

pub(super) fn write_items(out: &mut Out<'_>, items: &[Item]) {
    cbor::array(out, items.len());
    for (seq, payload) in items {
        cbor::array(out, 2);
        cbor::uint(out, *seq);
        cbor::bytes(out, payload);
    }
}

pub(super) fn read_items(input: &mut Decoder<'_>) -> Result<Vec<Item>, Error> {
    let read = |input: &mut Decoder<'_>| {
        pair(input)?;
        Ok((input.u64()?, cbor::read_bytes(input, CHARTER_PAYLOAD_BYTES_MAX)?))
    };
    (0..cbor::read_list(input, WANTED_MAX)?).map(|_| read(input)).collect()
}

pub(super) fn write_receipts(out: &mut Out<'_>, receipts: &[Receipt]) {
    cbor::array(out, receipts.len());
    for receipt in receipts {
        cbor::array(out, 2);
        cbor::bytes(out, &receipt.bytes);
        cbor::bytes(out, &receipt.signature.0);
    }
}

pub(super) fn read_receipts(input: &mut Decoder<'_>) -> Result<Vec<Receipt>, Error> {
    let read = |input: &mut Decoder<'_>| {
        pair(input)?;
        let bytes = cbor::read_bytes(input, RECEIPT_BYTES_MAX)?;
        Ok(Receipt { bytes, signature: Signature(cbor::read_array(input)?) })
    };
    (0..cbor::read_list(input, RECEIPTS_SENT_MAX + 1)?).map(|_| read(input)).collect()
}

pub(super) fn write_list(out: &mut Out<'_>, list: &ReceiptList) {
    cbor::array(out, list.len());
    for (node, at) in list {
        cbor::array(out, 2);
        cbor::bytes(out, &node.0);
        cbor::uint(out, at.0);
    }
}

pub(super) fn read_list(input: &mut Decoder<'_>) -> Result<ReceiptList, Error> {
    let read = |input: &mut Decoder<'_>| {
        pair(input)?;
        Ok((NodeId(cbor::read_array(input)?), UnixMillis(input.u64()?)))
    };
    (0..cbor::read_list(input, RECEIPTS_LISTED_MAX)?).map(|_| read(input)).collect()
}

fn pair(input: &mut Decoder<'_>) -> Result<(), Error> {
    if cbor::read_list(input, 2)? == 2 { Ok(()) } else { Err(Error::Value("an entry has two parts")) }
}
