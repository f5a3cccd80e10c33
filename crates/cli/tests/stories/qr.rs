//! A ticket goes from one screen to another machine's camera.

use crate::common::{Machine, ROLE};

/// Pixels per module in the picture that the reader gets.
const SCALE: usize = 4;

/// What a camera reads from the light characters of a drawing on a dark ground.
fn scan(printed: &str) -> Option<String> {
    let is_drawing = |line: &&str| line.contains('█');
    let rows: Vec<Vec<char>> = printed.lines().filter(is_drawing).map(|line| line.chars().collect()).collect();
    let (width, height) = (rows.first()?.len() * SCALE, rows.len() * 2 * SCALE);
    let mut picture = rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| {
        let (upper, x, y) = ((y / SCALE).is_multiple_of(2), x / SCALE, y / SCALE / 2);
        let light = if upper { ['█', '▀'] } else { ['█', '▄'] };
        !light.contains(&rows[y][x])
    });
    picture.detect_grids().first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
}

#[test]
fn bob_joins_with_the_ticket_that_his_camera_read_from_alices_screen() {
    let (alice, bob) = (Machine::new("alice"), Machine::new("bob"));
    alice.run(&["init", "--team", "choir"]).good();
    let printed = alice.run(&["invite", "--role", ROLE, "--qr"]).good().stdout;
    let ticket = printed.lines().next().unwrap();
    let scanned = scan(&printed).expect("a code that can be read");
    assert_eq!(scanned, ticket.to_uppercase());
    bob.run(&["join", &scanned, "--bring", "none"]).good();
    assert_eq!(bob.json(&["status"])["team"]["name"], "choir");
}

#[test]
fn a_script_gets_no_picture() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let printed = alice.run(&["invite", "--role", ROLE]).good().stdout;
    assert!(printed.is_ascii(), "{printed}");
    let ticket = alice.json(&["invite", "--role", ROLE, "--qr"]);
    assert_eq!(ticket.as_object().unwrap().keys().collect::<Vec<_>>(), ["expires", "role", "ticket"]);
    let light = alice.run(&["invite", "--role", ROLE, "--qr=light"]).good().stdout;
    assert_eq!(scan(&light), None, "on a light ground the same characters are the dark ones");
    let refused = alice.run(&["invite", "--role", ROLE, "--qr=paper"]);
    assert!(refused.code == 2 && refused.stderr.contains("paper"), "{refused:#?}");
}
