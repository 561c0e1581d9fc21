use super::*;

fn places(root: &Path) -> Places {
    Places {
        memory: Vec::new(),
        disk: root.to_owned(),
    }
}

fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).expect("a directory").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn create(root: &Path) -> PrivateDir {
    let text_of = TextOf {
        target: Path::new("/repo/a.yaml"),
        name: OsStr::new("a.yaml"),
        before: Some(b"old"),
    };
    PrivateDir::create(&places(root), text_of, true).expect("a directory")
}

fn text(text: &str) -> SecretBox<Vec<u8>> {
    SecretBox::new(Box::new(text.into()))
}

#[test]
fn it_goes_with_all_that_it_holds() {
    let root = tempfile::tempdir().expect("tempdir");
    let mut dir = create(root.path());
    dir.write_text(&text("text")).expect("write");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode(&dir.path) & 0o777, 0o700);
    assert_eq!(mode(&dir.text()) & 0o777, 0o600);
    assert_eq!(dir.text().file_name(), Some(OsStr::new("a.yaml")));
    std::fs::write(dir.text().with_file_name("a.yaml~"), "copy").expect("write");
    drop(dir);
    assert_eq!(names(root.path()), [] as [&str; 0]);
}

#[test]
fn directories_that_were_closed_go_too() {
    let root = tempfile::tempdir().expect("tempdir");
    let dir = create(root.path());
    let closed = dir.temporary().join("closed");
    std::fs::create_dir_all(closed.join("in")).expect("mkdir");
    let mode = Permissions::from_mode(0o000);
    std::fs::set_permissions(&closed, mode).expect("chmod");
    drop(dir);
    assert_eq!(names(root.path()), [] as [&str; 0]);
}

#[test]
fn a_panic_empties_it_too() {
    let root = tempfile::tempdir().expect("tempdir");
    let panicked = std::panic::catch_unwind(|| {
        let mut dir = create(root.path());
        dir.write_text(&text("text")).expect("write");
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    assert_eq!(names(root.path()), [] as [&str; 0]);
}

#[test]
fn a_live_one_stays_and_a_dead_one_is_cleared() {
    let root = tempfile::tempdir().expect("tempdir");
    let live = create(root.path());
    std::fs::create_dir_all(root.path().join("kb-edit-dead0000/text")).expect("mkdir");
    // Not ours: another name, and a link to something that is.
    std::fs::create_dir(root.path().join("kb-edit-notes")).expect("mkdir");
    let precious = tempfile::tempdir().expect("tempdir");
    std::fs::write(precious.path().join("file"), "x").expect("write");
    let link = root.path().join("kb-edit-link0000");
    std::os::unix::fs::symlink(precious.path(), &link).expect("link");
    clear_stale(&places(root.path()));
    let mut left = names(root.path());
    left.sort();
    let mut expected = ["kb-edit-notes", "kb-edit-link0000"]
        .map(str::to_owned)
        .to_vec();
    expected.push(
        live.path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned(),
    );
    expected.sort();
    assert_eq!(left, expected);
    assert!(precious.path().join("file").exists());
    assert!(is_in_use(&places(root.path()), Path::new("/repo/a.yaml")));
    assert!(!is_in_use(&places(root.path()), Path::new("/repo/b.yaml")));
}

#[test]
fn a_kept_one_goes_only_when_it_is_discarded() {
    let root = tempfile::tempdir().expect("tempdir");
    let mut dir = create(root.path());
    dir.write_text(&text("typed")).expect("write");
    dir.keep().expect("keep");
    clear_stale(&places(root.path()));
    let target = Path::new("/repo/a.yaml");
    assert!(Kept::all(&places(root.path()), Path::new("/repo/b.yaml")).is_empty());
    let mut kept = Kept::all(&places(root.path()), target);
    assert_eq!(kept.len(), 1);
    let kept = kept.remove(0);
    assert_eq!(
        (kept.text.expose_secret().as_slice(), kept.before.as_deref()),
        (&b"typed"[..], Some(&b"old"[..]))
    );
    // Two do not resume it at once.
    assert!(Kept::all(&places(root.path()), target).is_empty());
    kept.discard();
    assert_eq!(names(root.path()), [] as [&str; 0]);
}

#[test]
fn a_place_is_judged_by_its_file_system() {
    let root = tempfile::tempdir().expect("tempdir");
    let places = Places {
        memory: vec!["/nonexistent".into(), root.path().to_owned()],
        disk: root.path().to_owned(),
    };
    let refused = PrivateDir::create(
        &places,
        TextOf {
            target: Path::new("/x"),
            name: OsStr::new("x"),
            before: None,
        },
        false,
    );
    let on_memory = disk::in_memory(File::open(root.path()).expect("open")).expect("asked");
    if !on_memory {
        let text = refused.err().expect("no memory").to_string();
        assert!(text.contains("/nonexistent is not there"), "{text}");
        assert!(text.contains("is on a disk"), "{text}");
    }
}
