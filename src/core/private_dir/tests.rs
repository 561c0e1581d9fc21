use super::*;

fn places(root: &Path) -> TempDirs {
    TempDirs {
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
    PrivateDir::create(&places(root), &head(), Some(b"old"), true).expect("a directory")
}

fn head() -> Head {
    Head {
        target: "/repo/a.yaml".into(),
        name: "a.yaml".into(),
        since: SystemTime::UNIX_EPOCH,
        recipients: Vec::new(),
        resume: "kb k secrets edit /repo/a.yaml --resume".to_owned(),
    }
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
fn a_live_one_stays_and_what_holds_no_text_is_cleared() {
    let root = tempfile::tempdir().expect("tempdir");
    let live = create(root.path());
    for name in ["kb-edit-dead0000/text", "kb-gone-dead0000/text"] {
        std::fs::create_dir_all(root.path().join(name)).expect("mkdir");
    }
    std::fs::write(root.path().join("kb-gone-dead0000/text/a.yaml"), "x").expect("write");
    // A text that nobody knows the file of is not kb's to delete.
    std::fs::create_dir_all(root.path().join("kb-edit-odd00000/text")).expect("mkdir");
    std::fs::write(root.path().join("kb-edit-odd00000/text/a.yaml"), "x").expect("write");
    // Not ours: another name, and a link to something that is.
    std::fs::create_dir(root.path().join("kb-edit-notes")).expect("mkdir");
    let precious = tempfile::tempdir().expect("tempdir");
    std::fs::write(precious.path().join("file"), "x").expect("write");
    for name in ["kb-edit-link0000", "kb-gone-link0000"] {
        std::os::unix::fs::symlink(precious.path(), root.path().join(name)).expect("link");
    }
    assert!(Left::all(&places(root.path())).is_empty());
    let mut left = names(root.path());
    left.sort();
    let live = live.path.file_name().expect("a name").to_string_lossy();
    let mut expected = [
        "kb-edit-notes",
        "kb-edit-link0000",
        "kb-gone-link0000",
        "kb-edit-odd00000",
        &live,
    ];
    expected.sort();
    assert_eq!(left, expected);
    assert!(precious.path().join("file").exists());
    assert!(is_in_use(&places(root.path()), Path::new("/repo/a.yaml")));
    assert!(!is_in_use(&places(root.path()), Path::new("/repo/b.yaml")));
}

#[test]
fn what_a_run_leaves_is_found_with_all_that_belongs_to_it() {
    let root = tempfile::tempdir().expect("tempdir");
    let mut dir = create(root.path());
    dir.write_text(&text("typed")).expect("write");
    dir.note_original(b"digest").expect("write");
    std::fs::write(dir.text_directory().join("a.yaml.swp"), "swap").expect("write");
    std::os::unix::fs::symlink("/etc/passwd", dir.text_directory().join("link")).expect("link");
    let left = || Left::all(&places(root.path()));
    assert!(left().is_empty(), "it is in use");
    let path = dir.leave().expect("the text");
    let mut all = left();
    assert_eq!(all.len(), 1);
    // Two do not take it at once.
    assert!(left().is_empty());
    let found = all.remove(0);
    assert_eq!(found.text_path(), path);
    assert_eq!(found.original().as_deref(), Some(&b"digest"[..]));
    assert!(found.since() > head().since);
    let contents = found.contents().expect("contents");
    assert_eq!(contents.text.expose_secret(), b"typed");
    assert_eq!(contents.before.as_deref(), Some(&b"old"[..]));
    let files = contents.files.iter();
    let files: Vec<_> = files.map(|file| file.name.to_string_lossy()).collect();
    assert_eq!(files, ["a.yaml.swp"], "a link is followed");
    found.discard();
    assert_eq!(names(root.path()), [] as [&str; 0]);
}

#[test]
fn an_editor_that_outlives_its_kb_is_known() {
    let root = tempfile::tempdir().expect("tempdir");
    let mut dir = create(root.path());
    dir.write_text(&text("typed")).expect("write");
    dir.note_editor(std::process::id()).expect("write");
    dir.leave().expect("the text");
    let left = Left::all(&places(root.path())).remove(0);
    assert_eq!(left.living_editor(), Some(std::process::id()));
    std::fs::write(left.path.join(EDITOR), "1 1").expect("write");
    assert_eq!(left.living_editor(), None, "a later process of that number");
    left.discard();
}

#[test]
fn a_place_is_judged_by_its_file_system() {
    let root = tempfile::tempdir().expect("tempdir");
    let places = TempDirs {
        memory: vec!["/nonexistent".into(), root.path().to_owned()],
        disk: root.path().to_owned(),
    };
    let refused = PrivateDir::create(&places, &head(), None, false);
    let on_memory = disk::in_memory(File::open(root.path()).expect("open")).expect("asked");
    if !on_memory {
        let text = refused.err().expect("no memory").to_string();
        assert!(text.contains("/nonexistent is not there"), "{text}");
        assert!(text.contains("is on a disk"), "{text}");
    }
}
