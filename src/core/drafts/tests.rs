#![expect(clippy::disallowed_methods, reason = "tests arrange files")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretBox};

use super::*;
use crate::core::identity::{Identity, Recipient};

fn head(recipients: Vec<Recipient>) -> Head {
    Head {
        target: "/repo/apps/db-secret.yaml".into(),
        name: "db-secret.yaml".into(),
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        recipients,
        resume: "kb k secrets edit /repo/apps/db-secret.yaml --resume".to_owned(),
    }
}

fn contents() -> DraftContents {
    let secret = |bytes: &[u8]| SecretBox::new(Box::new(bytes.to_vec()));
    DraftContents {
        text: secret(b"password: hunter2\n"),
        before: Some(b"sops: {}\n".to_vec()),
        files: vec![EmergencyFile {
            name: ".db secret\n.swp".into(),
            content: secret(b"b0\0\xff\n"),
        }],
    }
}

fn drafts() -> (tempfile::TempDir, Drafts) {
    let root = tempfile::Builder::new().tempdir().expect("tempdir");
    let drafts = Drafts::new(Some(root.path().join("state/kb/drafts")));
    (root, drafts)
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("metadata");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_draft_is_read_again_with_each_of_its_keys_and_with_no_other() {
    let (_root, drafts) = drafts();
    let pairs = [(); 3].map(|()| Identity::generate());
    let for_two = vec![pairs[0].1.clone(), pairs[1].1.clone()];
    let draft = drafts
        .save(head(for_two.clone()), &contents())
        .expect("saved");
    assert_eq!(draft.head, head(for_two));
    for (identity, _) in &pairs[..2] {
        let (all, unreadable) = drafts.all();
        assert_eq!((all.len(), unreadable.len()), (1, 0));
        assert_eq!(all[0].head, draft.head, "without a key");
        let locked = all.into_iter().next().and_then(Draft::lock).expect("free");
        let opened = locked.open([identity]).expect("opened");
        let expected = contents();
        assert_eq!(opened.text.expose_secret(), expected.text.expose_secret());
        assert_eq!(opened.before, expected.before);
        assert_eq!(opened.files.len(), 1);
        assert_eq!(opened.files[0].name, expected.files[0].name);
        assert_eq!(
            opened.files[0].content.expose_secret(),
            expected.files[0].content.expose_secret()
        );
    }
    let locked = draft.lock().expect("free");
    let refused = locked.open([&pairs[2].0]);
    assert!(matches!(refused, Err(DraftOpenError::NoKey { .. })));
    locked.discard().expect("removed");
    assert!(drafts.all().0.is_empty());
}

#[test]
fn a_draft_is_ciphertext_that_its_owner_alone_reads() {
    let (root, drafts) = drafts();
    let directory = root.path().join("state/kb/drafts");
    // It was made by someone with another umask.
    std::fs::create_dir_all(&directory).expect("mkdir");
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).expect("chmod");
    let draft = drafts.save(head(vec![Identity::generate().1]), &contents());
    let draft = draft.expect("saved");
    assert_eq!((mode(&directory), mode(&draft.path)), (0o700, 0o600));
    let bytes = std::fs::read(&draft.path).expect("read");
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    assert!(memchr::memmem::find(&bytes, b"hunter2").is_none());
}

#[test]
fn directories_that_kb_makes_are_the_owners_alone() {
    let (root, drafts) = drafts();
    drafts
        .save(head(vec![Identity::generate().1]), &contents())
        .expect("saved");
    for name in ["state", "state/kb", "state/kb/drafts"] {
        assert_eq!(mode(&root.path().join(name)), 0o700, "{name}");
    }
}

#[test]
fn without_a_key_or_a_place_there_is_no_draft() {
    let (root, drafts) = drafts();
    let refused = drafts.save(head(Vec::new()), &contents());
    assert!(matches!(refused, Err(DraftError::NoKey)));
    assert!(!root.path().join("state").exists(), "nothing is left");
    let key = || vec![Identity::generate().1];
    let refused = Drafts::new(None).save(head(key()), &contents());
    assert!(matches!(refused, Err(DraftError::NoDirectory)));
    std::fs::write(root.path().join("state"), "a file").expect("write");
    assert!(matches!(
        drafts.save(head(key()), &contents()),
        Err(DraftError::Write(_))
    ));
}

#[test]
fn what_is_not_a_draft_is_named_and_not_taken_for_one() {
    let (root, drafts) = drafts();
    let key = || vec![Identity::generate().1];
    let good = drafts.save(head(key()), &contents()).expect("saved");
    let directory = root.path().join("state/kb/drafts");
    let bytes = std::fs::read(&good.path).expect("read");
    std::fs::write(directory.join("cut.age"), &bytes[..60]).expect("write");
    std::fs::write(directory.join("empty.age"), "").expect("write");
    std::os::unix::fs::symlink("/etc/passwd", directory.join("link.age")).expect("link");
    // One of age's own, which has no head.
    let other = Identity::generate().1;
    let other: age::x25519::Recipient = other.as_str().parse().expect("a recipient");
    let other = age::encrypt(&other, b"x").expect("encrypted");
    std::fs::write(directory.join("other.age"), other).expect("write");
    std::fs::write(directory.join("notes.txt"), "x").expect("write");
    let (all, unreadable) = drafts.all();
    assert_eq!(all.len(), 1);
    let names: Vec<_> = unreadable
        .iter()
        .filter_map(|path| path.file_name())
        .collect();
    assert_eq!(names, ["cut.age", "empty.age", "link.age", "other.age"]);
}

/// Who changes the file on the disk must not get it read.
#[test]
fn a_draft_that_was_changed_is_not_opened() {
    let (_root, drafts) = drafts();
    let (identity, recipient) = Identity::generate();
    let draft = drafts
        .save(head(vec![recipient]), &contents())
        .expect("saved");
    let bytes = std::fs::read(&draft.path).expect("read");
    let locked = draft.lock().expect("free");
    for at in [60, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&locked.draft().path, changed).expect("write");
        assert!(locked.open([&identity]).is_err(), "byte {at}");
    }
}

#[test]
fn two_runs_do_not_go_on_with_one_draft() {
    let (_root, drafts) = drafts();
    let saved = drafts.save(head(vec![Identity::generate().1]), &contents());
    let locked = saved.expect("saved").lock().expect("free");
    let target = Path::new("/repo/apps/db-secret.yaml");
    let again = || drafts.of(target).into_iter().next().and_then(Draft::lock);
    assert!(again().is_none());
    drop(locked);
    assert!(again().is_some());
    assert!(drafts.of(Path::new("/repo/other.yaml")).is_empty());
}

#[test]
fn names_that_lead_elsewhere_are_not_read() {
    for name in ["", ".", "..", "a/b", "/a"] {
        let head = Head {
            name: name.into(),
            ..head(Vec::new())
        };
        assert_eq!(Head::parse(&head.to_bytes()), None, "{name:?}");
    }
    assert_eq!(
        Head::parse(&head(Vec::new()).to_bytes()),
        Some(head(Vec::new()))
    );
}

#[test]
fn what_a_killed_run_left_half_written_is_removed() {
    let (root, drafts) = drafts();
    let directory = root.path().join("state/kb/drafts");
    std::fs::create_dir_all(&directory).expect("mkdir");
    let half = directory.join(".db-secret.yaml.0badcafe.age.kb-tmp-AbCdEfGh");
    std::fs::write(&half, "half").expect("write");
    drafts
        .save(head(vec![Identity::generate().1]), &contents())
        .expect("saved");
    assert!(!half.exists());
}
