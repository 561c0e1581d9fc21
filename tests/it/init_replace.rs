//! `init --replace`: what only the old key opens would be lost.

use std::os::unix::fs::PermissionsExt;

use crate::{Setup, assert_fails, keypair};

#[test]
fn a_recipient_that_is_nowhere_cannot_be_replaced() {
    let setup = Setup::new("nowhere");
    let (_, other) = keypair(&setup.world);
    let (_, absent) = keypair(&setup.world);
    let config = format!("creation_rules:\n  - age: {other}\n");
    setup.world.write(".sops.yaml", &config);
    let run = setup.init(&["--replace", &absent]);
    assert_fails(
        &run,
        1,
        &[".sops.yaml does not name", &absent, "it names", &other],
    );
    setup.world.write(".sops.yaml", "creation_rules: []\n");
    let run = setup.init(&["--replace", &absent]);
    assert_fails(&run, 1, &["no recipient in it can be a cluster's"]);
    assert_eq!(setup.entry("age.agekey"), None);
}

/// Whoever replaces a key cannot read its files any more.
#[test]
fn files_that_only_the_replaced_key_opens_stop_it() {
    let setup = Setup::new("needed");
    let (_, old) = keypair(&setup.world);
    let (_, other) = keypair(&setup.world);
    let config = format!("creation_rules:\n  - age: {old}\n");
    let secret = "kind: Secret\ndata:\n  a: Yg==\n";
    // Two keys open this one, and this one is someone else's.
    setup.encrypt_for(&format!("{old},{other}"), "shared.yaml", secret);
    setup.encrypt_for(&old, "vendor/clone/x.yaml", secret);
    setup
        .world
        .write("vendor/clone/.git/HEAD", "ref: refs/heads/main\n");
    // It only mentions the recipient.
    setup.world.write("README.md", format!("our key: {old}\n"));
    setup.world.write(".sops.yaml", &config);
    setup.init(&["--replace", &old, "--dry-run"]).assert_code(0);
    // Untracked and ignored, in every format.
    setup.encrypt_for(&old, "deep/er/x.yaml", secret);
    setup.encrypt_for(&old, "ignored/app.env", "A=b\n");
    setup.encrypt_for(&old, "ignored/blob", "binary");
    setup.world.write(".gitignore", "ignored/\n");
    let run = setup.init(&["--replace", &old]);
    let words = [
        "nobody could read these 3 files again",
        "deep/er/x.yaml",
        "ignored/app.env",
        "ignored/blob",
        "--import",
        "--accept-loss",
    ];
    assert_fails(&run, 1, &words);
    for not_named in ["shared.yaml", "vendor/clone", "README"] {
        assert!(!run.err().contains(not_named), "{}", run.err());
    }
    assert_eq!(setup.entry("age.agekey"), None);
    assert_eq!(setup.world.read(".sops.yaml"), config);
    // It is not answered by "do not ask".
    assert_fails(&setup.init(&["--replace", &old, "--yes"]), 1, &words);
    assert_eq!(setup.world.read(".sops.yaml"), config);
    let run = setup.init(&["--replace", &old, "--accept-loss"]);
    for lost in [
        "nobody can read these files any more",
        "deep/er/x.yaml",
        "ignored/blob",
    ] {
        assert!(run.assert_code(0).err().contains(lost), "{}", run.err());
    }
    assert_eq!(
        setup.world.read(".sops.yaml"),
        config.replace(&old, &setup.recipient())
    );
}

/// What people have, and what hides from a look at the names alone.
#[test]
fn files_that_may_be_lost_stop_a_replacement_too() {
    let setup = Setup::new("maybe");
    let (_, old) = keypair(&setup.world);
    let (_, other) = keypair(&setup.world);
    let config = format!("creation_rules:\n  - age: {old}\n");
    setup.world.write(".sops.yaml", &config);
    let lost = |words: &[&str]| {
        let run = setup.init(&["--replace", &old]);
        assert_fails(&run, 1, words);
        assert_eq!(setup.entry("age.agekey"), None);
    };
    // Of another format than the name says.
    setup.encrypt_for(&old, "app.env", "A=b\n");
    std::fs::rename(setup.world.path("app.env"), setup.world.path(".env.prod")).expect("mv");
    lost(&["nobody could read this file again", ".env.prod"]);
    std::fs::remove_file(setup.world.path(".env.prod")).expect("rm");
    // In the midst of a merge.
    setup.encrypt_for(&old, "merge.yaml", "a: b\n");
    let text = setup.world.read("merge.yaml");
    setup
        .world
        .write("merge.yaml", format!("<<<<<<< HEAD\n{text}"));
    lost(&["merge.yaml"]);
    std::fs::remove_file(setup.world.path("merge.yaml")).expect("rm");
    // In UTF-16, which sops reads.
    setup.encrypt_for(&old, "wide.yaml", "a: b\n");
    let text = setup.world.read("wide.yaml");
    let wide = std::iter::once(0xFEFF).chain(text.encode_utf16());
    let wide: Vec<u8> = wide.flat_map(u16::to_le_bytes).collect();
    setup.world.write("wide.yaml", wide);
    lost(&["wide.yaml"]);
    std::fs::remove_file(setup.world.path("wide.yaml")).expect("rm");
    // Two groups, both needed.
    let groups = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{old}]\n      - age: [{other}]\n"
    );
    let rules = setup.world.write("rules/.sops.yaml", groups);
    setup.world.write("rules/split.yaml", "a: b\n");
    let arguments = [
        "--config",
        rules.to_str().expect("UTF-8"),
        "encrypt",
        "-i",
        "rules/split.yaml",
    ];
    setup.world.tool("sops", arguments).assert_code(0);
    lost(&["rules/split.yaml"]);
    std::fs::remove_dir_all(setup.world.path("rules")).expect("rm");
    // In a directory that this person may not enter.
    std::fs::create_dir(setup.world.path("locked")).expect("mkdir");
    let locked = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(setup.world.path("locked"), locked).expect("chmod");
    let arguments = [
        "k",
        "secrets",
        "-n",
        &setup.namespace,
        "init",
        "--replace",
        &old,
    ];
    let run = crate::as_ordinary_user(&setup, &arguments);
    assert_fails(&run, 1, &["may be encrypted for", "cannot be read: locked"]);
    std::fs::remove_dir(setup.world.path("locked")).expect("rmdir");
    // Beside a config that is elsewhere.
    let elsewhere = setup.world.tmp().join("conf");
    std::fs::create_dir(&elsewhere).expect("mkdir");
    let named = elsewhere.join(".sops.yaml");
    std::fs::write(&named, &config).expect("write");
    setup.encrypt_for(&old, "x.yaml", "a: b\n");
    std::fs::rename(setup.world.path("x.yaml"), elsewhere.join("x.yaml")).expect("mv");
    let named = named.to_str().expect("UTF-8");
    let run = setup.init(&["--config", named, "--replace", &old]);
    assert_fails(&run, 1, &["conf/x.yaml"]);
    // Someone else's repository is named, and does not stop it.
    setup.encrypt_for(&old, "vendor/clone/x.yaml", "a: b\n");
    setup
        .world
        .write("vendor/clone/.git/HEAD", "ref: refs/heads/main\n");
    let run = setup.init(&["--replace", &old, "--dry-run"]);
    let words =
        "warning: vendor/clone has its own .git, and files that only the replaced key opens";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
}
