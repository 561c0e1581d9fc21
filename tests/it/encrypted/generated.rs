//! Generated documents, encrypted by the real sops.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kb::core::encrypted::OpenError;

use super::Differential;
use super::generate::{document, edited};
use crate::generated::cases;
use crate::keypair;

/// As many as take about three minutes on two cores.
const CASES: u64 = 1500;
/// So many of a hundred YAML and JSON documents that kb claims to re-encrypt by itself
/// must go that way.
const NATIVE: usize = 95;

/// Of fewer documents nothing is concluded.
const FEW: usize = 20;

/// What sops did not take in the first place.
const NOT_ENCRYPTED: &str = "not encrypted";

/// What became of them, by format.
#[derive(Default)]
struct Count {
    /// kb claims them.
    inside: usize,
    /// It has done so.
    native: usize,
    /// Done by kb, claimed or not.
    all_native: usize,
    /// sops cannot open its own file.
    unopened: usize,
    /// Why the others were left to sops.
    outside: BTreeMap<String, usize>,
}

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_documents_are_for_sops_what_they_were() {
    let differential = Differential::new();
    let (_, other) = keypair(&differential.world);
    let counts: Mutex<BTreeMap<&'static str, Count>> = Mutex::default();
    cases(CASES, |rng, worker| {
        let plain = document(rng);
        let name = format!("worker{worker}/{}", plain.name);
        let recipients = match rng.u8(..5) {
            0 => format!("{other},{}", differential.old_recipient),
            1 => format!("{},{other}", differential.old_recipient),
            _ => differential.old_recipient.clone(),
        };
        let run = differential.encrypt(&name, &plain.content, &recipients, &plain.options);
        let source = String::from_utf8_lossy(&plain.content).into_owned();
        if run.code != Some(0) {
            // Nothing that a generator can know in advance: an int that is too large for
            // sops, a comment that its own expression forbids.
            counts
                .lock()
                .expect("counts")
                .entry(NOT_ENCRYPTED)
                .or_default()
                .unopened += 1;
            return;
        }
        let encrypted = differential.world.read(&name);
        let edited = edited(rng, &name, encrypted);
        differential.world.write(&name, &edited.text);
        let plaintext = differential.decrypt(&name, &differential.old);
        let result = differential.reencrypted(&name, edited.text.as_bytes());
        // sops 3.13.3 writes a comment in a list as an item of it.
        let is_item = |line: &str| line.contains(",type:comment]") && !line.contains("#ENC[");
        let inside = plain.inside && edited.inside && !edited.text.lines().any(is_item);
        let mut counts = counts.lock().expect("counts");
        let count = counts.entry(plain.name).or_default();
        if plaintext.code != Some(0) {
            count.unopened += 1;
            assert!(
                result.is_err(),
                "sops cannot open it, and kb does:\n{source}\n{}",
                edited.text
            );
            return;
        }
        count.inside += usize::from(inside);
        match result {
            Ok(after) => {
                count.native += usize::from(inside);
                count.all_native += 1;
                drop(counts);
                differential.assert_reencrypted(&name, edited.text.as_bytes(), &after, &plaintext);
            }
            Err(OpenError::Unsupported(why)) => {
                *count.outside.entry(why.to_string()).or_default() += 1;
            }
            Err(error) => {
                panic!(
                    "authentic for sops, and not for kb: {error}\n{source}\n{}",
                    edited.text
                )
            }
        }
    });
    let counts = counts.into_inner().expect("counts");
    for (name, count) in &counts {
        let Count {
            inside,
            native,
            all_native,
            unopened,
            outside,
        } = count;
        let outside = outside
            .iter()
            .map(|(why, number)| format!("{number} {why}; "));
        println!(
            "{name}: {native} of {inside}, {all_native} in all, {unopened} not opened by sops; left to it: {}",
            outside.collect::<String>()
        );
    }
    for (name, count) in counts {
        if name == NOT_ENCRYPTED {
            continue;
        }
        let enough = count.inside < FEW || count.native * 100 >= count.inside * NATIVE;
        assert!(enough, "{name}: too few by kb itself");
        // What is not claimed is mostly done all the same.
        let opened: usize = count.all_native + count.outside.values().sum::<usize>();
        let enough = opened < FEW || count.all_native * 2 > opened;
        assert!(enough, "{name}: too few by kb itself");
    }
}
