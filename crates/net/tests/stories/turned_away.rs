//! What is turned away is counted by what it was.

use crate::common::foreign::{Foreign, OUTBOX};
use crate::common::{Node, TCP, befriend, config, id_of, patiently, stream_of};
use antiphon_net::{STRANGER_REQUESTS_MAX, StreamKind, TurnedAway, stream};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn a_frame_may_be_as_long_as_its_kind_allows() {
    for kind in crate::common::KINDS {
        let mut alice = Node::start(1, TCP).await;
        let mut bob = Node::start(2, TCP).await;
        befriend(&mut alice, &mut bob).await;
        let max = kind.frame_bytes_max();
        let (ours, theirs) = stream_of(kind, &mut alice, &mut bob).await;
        let ((_, mut out), (mut bob_in, _bob_out)) = (ours.split(), theirs.split());
        let longest = vec![1; max];
        let (sent, got) = patiently("a frame", async { tokio::join!(out.send(&longest), bob_in.next()) }).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), Some(longest));
        let refused = out.send(&vec![1; max + 1]).await;
        assert!(matches!(refused, Err(stream::Error::TooLong { got, max: most }) if (got, most) == (max + 1, max)));
    }
}

#[tokio::test]
async fn a_foreign_frame_that_is_too_long_ends_its_stream_before_it_has_come() {
    let mut alice = Node::start(1, TCP).await;
    let mut carol = Foreign::connect(3, &alice.addresses[0]).await;
    tokio::join!(alice.answer(true, b"welcome"), patiently("an answer", carol.shake_hands()));
    let mut theirs = patiently("a stream", carol.open(OUTBOX)).await.unwrap();
    let (mut reader, _writer) = alice.stream_opened(id_of(3), StreamKind::Outbox).await.split();
    let length = u32::try_from(StreamKind::Outbox.frame_bytes_max() + 1).unwrap();
    theirs.write_all(&length.to_be_bytes()).await.unwrap();
    theirs.flush().await.unwrap();
    assert!(matches!(patiently("a refusal", reader.next()).await, Err(stream::Error::TooLong { .. })));
    assert_eq!(alice.net.turned_away().of(TurnedAway::Frame), 1);
}

#[tokio::test]
async fn a_strangers_requests_are_counted_until_it_is_let_in_or_gone() {
    let mut settings = config(1, TCP);
    settings.stranger_deadline = std::time::Duration::from_secs(600);
    let mut alice = Node::with(1, settings).await;
    let mut eve = Foreign::connect(9, &alice.addresses[0]).await;
    let (mut answered, asked) = (0, STRANGER_REQUESTS_MAX + 20);
    for _ in 0..asked {
        let mut stream = patiently("a stream", eve.open(crate::common::foreign::HANDSHAKE)).await.unwrap();
        stream.write_all(b"\0\0\0\x05hello").await.unwrap();
        stream.close().await.unwrap();
        let mut answer = Vec::new();
        let heard = async {
            tokio::select! {
                read = stream.read_to_end(&mut answer) => read.is_ok() && !answer.is_empty(),
                seen = alice.answer(false, b"no") => {
                    assert_eq!(seen, b"hello");
                    true
                }
            }
        };
        answered += u32::from(patiently("an answer or none", heard).await);
    }
    assert_eq!(answered, STRANGER_REQUESTS_MAX);
    assert_eq!(alice.net.turned_away().of(TurnedAway::StrangerRequest), u64::from(asked - STRANGER_REQUESTS_MAX));
}
