//! A document for one role.

use std::collections::BTreeMap;
use std::time::Instant;

use antiphon_server::client::{Client, ClientError};
use antiphon_server::dto::{ContentAskDto, ContentFilterDto, NewContentDto};
use antiphon_server::error::Code;

use super::super::world::{Fail, World, until};
use super::{DEVELOPER, Told, number_of};

/// What the document says, often enough that it has several blocks.
const LINE: &[u8] = b"We sign tokens with Ed25519, and rotate the key every quarter.\n";
/// How often it says so.
const LINES: usize = 16 * 1024;

/// Its address.
pub(super) fn address() -> String {
    format!("ucxl://bob/{DEVELOPER}/shop/login/decision")
}

/// bob stores it, carol reads it, eve cannot.
pub(super) async fn seal(world: &mut World) -> Told {
    let (bob, carol, eve) = (world.client("bob")?, world.client("carol")?, world.client("eve")?);
    let plain = LINE.repeat(LINES);
    let new = NewContentDto { address: address(), role: DEVELOPER.to_owned(), ..NewContentDto::default() };
    let begun = Instant::now();
    bob.put_content(&new, plain.as_slice(), |_| {}).await?;
    let put = begun.elapsed().as_secs_f64() * 1_000.0;
    for node in [&carol, &eve] {
        until("the address is known", async || {
            let known = node.contents(&ContentFilterDto::default()).await?;
            Ok(known.contents.iter().any(|one| one.address == address()).then_some(()))
        })
        .await?;
    }
    let begun = Instant::now();
    let read = get(&carol, false).await?;
    let got = begun.elapsed().as_secs_f64() * 1_000.0;
    if read != plain {
        return Err(Fail::new("carol read something else than bob stored"));
    }
    let refusal = match get(&eve, false).await {
        Err(ClientError::Problem(problem)) if problem.code == Code::Refused => problem.what,
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(Fail::new("eve read what is not for her role")),
    };
    let cipher = get(&eve, true).await?;
    if cipher.windows(LINE.len()).any(|window| window == LINE) || !cipher.starts_with(b"age-encryption.org/v1") {
        return Err(Fail::new("the ciphertext that eve can have is none"));
    }
    let claim = format!(
        "bob stored a document of {} KiB for the role {DEVELOPER} in {put:.0} ms. carol, who holds the role, read it \
         byte for byte in {got:.0} ms. eve was refused ({refusal}); all she can have is the ciphertext.",
        plain.len() / 1024
    );
    Ok((claim, BTreeMap::from([("bytes", number_of(plain.len())), ("put_ms", put), ("get_ms", got)])))
}

async fn get(node: &Client, ciphertext: bool) -> Result<Vec<u8>, ClientError> {
    let ask = ContentAskDto { address: address(), ciphertext: Some(ciphertext) };
    let mut out = Vec::new();
    node.get_content(&ask, &mut out, |_| {}, |_| {}).await?;
    Ok(out)
}
