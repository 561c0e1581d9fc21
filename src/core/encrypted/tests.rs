//! Files of sops 3.7 to 3.12, as they are committed in `tests/fixtures/sops`. What
//! the real sops says of the results is in `tests/it/native`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bech32::{Bech32, Hrp};

use super::*;
use crate::core::data_key::WrapError;
use crate::core::identity::{Identity, Recipient};

/// The X25519 key of the fixtures, whose 32 bytes are all 7: it protects nothing.
fn identity_of_fixtures() -> Identity {
    let prefix = Hrp::parse("age-secret-key-").unwrap();
    let text = bech32::encode::<Bech32>(prefix, &[7; 32]).unwrap();
    text.to_uppercase().parse().unwrap()
}

fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops");
    let mut files = Vec::new();
    for version in root.read_dir().unwrap() {
        let version = version.unwrap().path();
        if version.is_dir() && !version.ends_with("plain") {
            let paths = version.read_dir().unwrap();
            files.extend(paths.map(|path| path.unwrap().path()));
        }
    }
    files.sort();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

fn open<'t>(path: &Path, content: &'t [u8], identity: &Identity) -> (Verified<'t>, DataKey) {
    let opener = Opener::new([identity]);
    let opened = Verified::open(Format::of(path), content, &opener);
    opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn reencrypted(content: &Verified<'_>, old: &Identity) -> (Vec<u8>, Identity, DataKey) {
    let (new, recipient) = Identity::generate();
    let key = DataKey::generate().unwrap();
    let old = old.recipient().unwrap().as_str();
    let stay = content.recipients().filter(|name| *name != old);
    let mut wanted: Vec<Recipient> = stay.map(|name| name.parse().unwrap()).collect();
    wanted.push(recipient);
    (
        content.reencrypted(&key, &Recipients(&wanted)).unwrap(),
        new,
        key,
    )
}

#[test]
fn files_of_every_version_of_sops_are_reencrypted_and_hold_the_same() {
    let old = identity_of_fixtures();
    let files = fixtures();
    assert!(files.len() >= 6 * 9, "{}", files.len());
    for (path, content) in files {
        let (before, old_key) = open(&path, &content, &old);
        let (result, new, key) = reencrypted(&before, &old);
        let (after, new_key) = open(&path, &result, &new);
        assert!(before.holds_the_same(&after), "{}", path.display());
        assert!(new_key == key && new_key != old_key, "{}", path.display());
    }
}

/// The list of recipients gets longer and shorter as sops would write it.
#[test]
fn recipients_join_and_leave_where_the_list_can_be_edited() {
    let old = identity_of_fixtures();
    let [a, b] = [(); 2].map(|()| Identity::generate());
    for (path, content) in fixtures() {
        let (before, _) = open(&path, &content, &old);
        let key = DataKey::generate().unwrap();
        let mut longer: Vec<Recipient> =
            before.recipients().map(|it| it.parse().unwrap()).collect();
        longer.extend([a.1.clone(), b.1.clone()]);
        let is_editable = matches!(
            Format::of(&path),
            Format::Yaml | Format::Json | Format::Binary
        );
        let result = before.reencrypted(&key, &Recipients(&longer));
        let Ok(result) = result else {
            assert!(!is_editable, "{}", path.display());
            continue;
        };
        let names = |content: &[u8], identity: &Identity| {
            let (opened, _) = open(&path, content, identity);
            assert!(opened.holds_the_same(&before), "{}", path.display());
            opened.recipients().map(str::to_owned).collect::<Vec<_>>()
        };
        let longer: Vec<&str> = longer.iter().map(Recipient::as_str).collect();
        assert_eq!(names(&result, &b.0), longer, "{}", path.display());
        let (again, _) = open(&path, &result, &b.0);
        let shorter = [b.1.clone()];
        let result = again.reencrypted(&key, &Recipients(&shorter)).unwrap();
        assert_eq!(names(&result, &b.0), [b.1.as_str()], "{}", path.display());
        let text = String::from_utf8(result).unwrap();
        assert!(!text.contains(a.1.as_str()), "{}", path.display());
    }
}

/// A difference shows only tokens and key material.
#[test]
fn nothing_else_of_a_file_changes() {
    let old = identity_of_fixtures();
    for (path, content) in fixtures() {
        let (before, _) = open(&path, &content, &old);
        let (result, new, _) = reencrypted(&before, &old);
        let new: &Recipient = new.recipient().unwrap();
        let blank = |content: &[u8], recipient: &Recipient| {
            let text = str::from_utf8(content).unwrap();
            let mut rest = text.replace(recipient.as_str(), "RECIPIENT");
            while let Some(at) = rest.find("ENC[") {
                let end = at + rest[at..].find(']').unwrap() + 1;
                rest.replace_range(at..end, "TOKEN");
            }
            while let Some(at) = rest.find("-----BEGIN") {
                let last = "-----END AGE ENCRYPTED FILE-----";
                let end = at + rest[at..].find(last).unwrap() + last.len();
                rest.replace_range(at..end, "WRAPPED");
            }
            rest
        };
        let (before, after) = (
            blank(&content, old.recipient().unwrap()),
            blank(&result, new),
        );
        assert_eq!(before, after, "{}", path.display());
    }
}

/// Equal values, too, look different from each other and from what they were.
#[test]
fn every_nonce_is_new() {
    let old = identity_of_fixtures();
    let nonces = |content: &[u8]| -> Vec<String> {
        let text = str::from_utf8(content).unwrap();
        let nonces = text.split(",iv:").skip(1);
        let nonces = nonces.map(|rest| rest.split_once(',').unwrap().0.to_owned());
        nonces.collect()
    };
    for (path, content) in fixtures() {
        let (before, _) = open(&path, &content, &old);
        let (result, ..) = reencrypted(&before, &old);
        let before: HashSet<String> = nonces(&content).into_iter().collect();
        let after = nonces(&result);
        assert!(after.iter().all(|nonce| !before.contains(nonce)));
        // The MAC stands in each of the documents, as one text.
        let again = content.windows(4).filter(|bytes| *bytes == b"mac:").count();
        let different: HashSet<&String> = after.iter().collect();
        assert_eq!(
            after.len() - different.len(),
            again.saturating_sub(1),
            "{}",
            path.display()
        );
    }
}

/// Two names of one key would let the old one stay.
#[test]
fn a_recipient_in_another_spelling_is_left_to_sops() {
    let key = DataKey::generate().unwrap();
    let (_, recipient) = Identity::generate();
    assert!(key.wrap(recipient.as_str()).is_ok());
    for other in [&recipient.as_str().to_uppercase(), "ssh-ed25519 AAAA"] {
        assert_eq!(key.wrap(other), Err(WrapError::NotX25519));
    }
}

#[test]
fn files_with_other_values_do_not_hold_the_same() {
    let old = identity_of_fixtures();
    let files = fixtures();
    let named = |name: &str| files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
    let open = |name: &str| {
        let (path, content) = named(name);
        open(path, content, &old).0
    };
    let (one, other) = (open("3.9.4/secret.yaml"), open("3.9.4/suffix.yaml"));
    assert!(one.holds_the_same(&one));
    assert!(!one.holds_the_same(&other));
}
