//! Damaged files: none makes kb panic or hang, and what it takes, sops takes as well.

use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;

use super::Differential;
use super::generate::document;
use crate::generated::cases;

/// So many documents.
const DOCUMENTS: u64 = 60;
/// So often each is damaged.
const DAMAGES: usize = 60;

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_damage_is_taken_only_where_sops_takes_it() {
    let differential = Differential::new();
    let (taken, documents) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases(DOCUMENTS, |rng, worker| {
        let plain = document(rng);
        let name = format!("worker{worker}/{}", plain.name);
        let recipient = &differential.old_recipient;
        let run = differential.encrypt(&name, &plain.content, recipient, &plain.options);
        if run.code != Some(0) {
            return;
        }
        documents.fetch_add(1, Ordering::Relaxed);
        let whole = differential.world.read_bytes(&name);
        for _ in 0..DAMAGES {
            let damaged = damaged(rng, &whole);
            if damaged == whole {
                continue;
            }
            let Ok(after) = differential.reencrypted(&name, &damaged) else {
                continue;
            };
            taken.fetch_add(1, Ordering::Relaxed);
            std::fs::write(differential.world.path(&name), &damaged).expect("write");
            let plaintext = differential.decrypt(&name, &differential.old);
            assert_eq!(
                plaintext.code,
                Some(0),
                "kb takes what sops does not: {}\n{}",
                plaintext.err(),
                String::from_utf8_lossy(&damaged)
            );
            differential.assert_reencrypted(&name, &damaged, &after, &plaintext);
        }
    });
    let taken = taken.into_inner();
    println!("{taken} were taken");
    assert!(
        taken * 4 >= documents.into_inner(),
        "hardly anything was tried on sops"
    );
}

/// Lines that are odd in the metadata, or in a file's structure.
const ODD: [&str; 16] = [
    "    pgp: [null]",
    "    pgp: [{}]",
    "    kms:",
    "    age: []",
    "    encrypted_regex: {}",
    "    encrypted_suffix: []",
    "    shamir_threshold: x",
    "    lastmodified: \"2026-11-22T10:00:00.5Z\"",
    "        - {}",
    "[]",
    "[a]",
    "~: null",
    "12: x",
    "...",
    "\tx: y",
    "e: {a: b}",
];

/// One to three things happen to it.
fn damaged(rng: &mut Rng, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..rng.usize(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.usize(..bytes.len());
        match rng.u8(..12) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes[at] = b" \t\n\r#:-'\"{}[],&*!|>%@`=;\\"[rng.usize(..25)],
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, b" \t\n\r#:-'\"{}[],&*!|>%@`=;\\"[rng.usize(..25)]),
            4 => bytes.truncate(at),
            5 => {
                let text = [
                    "é", "\u{2028}", "\u{feff}", "\0", "---\n", "<<: *a\n", "\n...\n",
                ];
                let text = text[rng.usize(..text.len())];
                bytes.splice(at..at, text.bytes());
            }
            _ => bytes = with_other_lines(rng, &bytes),
        }
    }
    bytes
}

/// Lines go, come twice, change places; or parts of them do.
fn with_other_lines(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let (one, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
    match rng.u8(..8) {
        0 => drop(lines.remove(one)),
        1 => {
            let line = lines[one].clone();
            lines.insert(other, line);
        }
        2 => lines.swap(one, other),
        3 => {
            let line = String::from_utf8_lossy(&lines[one]).into_owned();
            lines[one] = line.replacen(": ", ": !!str ", 1).into_bytes();
        }
        7 => lines.insert(one, ODD[rng.usize(..ODD.len())].into()),
        4 => lines[one].splice(0..0, *b"    ").for_each(drop),
        5 => {
            // The value of another line.
            let value = |line: &[u8]| line.iter().position(|byte| *byte == b'E');
            if let (Some(a), Some(b)) = (value(&lines[one]), value(&lines[other])) {
                let tail = lines[other][b..].to_vec();
                lines[one].splice(a.., tail);
            }
        }
        _ => {
            let line = String::from_utf8_lossy(&lines[one]).into_owned();
            let types = [
                ("type:str", "type:int"),
                ("type:int", "type:str"),
                ("ENC[", " ENC["),
            ];
            let (from, to) = types[rng.usize(..types.len())];
            lines[one] = line.replacen(from, to, 1).into_bytes();
        }
    }
    lines.join(&b'\n')
}
