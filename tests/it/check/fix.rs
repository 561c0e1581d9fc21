//! `--fix`: what should have been encrypted is, and nothing else.

use std::os::unix::fs::PermissionsExt;

use super::{MANIFEST, Repository};
use crate::keypair;
use crate::terminal::Terminal;

#[test]
fn what_is_plainly_meant_is_encrypted_in_place_and_the_rest_is_left() {
    let repository = Repository::with_rules(&[
        "path_regex: \\.env$",
        "path_regex: ^some/values\n    encrypted_regex: ^password$",
        "path_regex: ^some/\n    encrypted_regex: ^(data|stringData)$",
        "path_regex: ^conf/.*\\.json$",
        "path_regex: ^dir/",
    ]);
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write("prod.env", "A=hunter2\n");
    write("some/values.yaml", "user: x # who\npassword: hunter2\n");
    let manifest = write("some/db.yaml", MANIFEST);
    std::fs::set_permissions(&manifest, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    write("some/README.md", "hunter2\n");
    write("some/other.yaml", "data: hunter2\n");
    write("conf/app.json", "{\"token\": \"hunter2\"}\n");
    write("dir/tls.key", "hunter2\n");
    write("dir/x.json", "{\"token\": \"hunter2\"}\n");
    let run = repository.check(&["--fix"]);
    crate::assert_fails(
        &run,
        3,
        &["hint: to encrypt it: sops encrypt --in-place conf/app.json"],
    );
    for name in ["prod.env", "some/db.yaml"] {
        assert!(
            run.err().contains(&format!("Encrypted: {name}")),
            "{}",
            run.err()
        );
        let text = repository.world.read(name);
        assert!(
            text.contains("ENC[AES256_GCM,") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(text.contains(&repository.recipient), "{text}");
    }
    // A text beside the files that a rule is for is no finding.
    assert!(!run.err().contains("README.md"), "{}", run.err());
    for name in [
        "some/values.yaml",
        "some/other.yaml",
        "conf/app.json",
        "dir/tls.key",
        "dir/x.json",
    ] {
        assert!(repository.world.read(name).contains("hunter2"), "{name}");
        assert!(
            run.err().contains(&format!("  {name}: not encrypted")),
            "{}",
            run.err()
        );
    }
    let mode = std::fs::metadata(manifest)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    repository.check(&["--fix"]).assert_code(3);
    repository
        .check(&["some/db.yaml", "prod.env"])
        .assert_code(0);
    // A file that is named is the only one.
    write("other.env", "A=hunter2\n");
    write("third.env", "A=hunter2\n");
    repository.check(&["--fix", "other.env"]).assert_code(0);
    assert!(repository.world.read("third.env").contains("hunter2"));
}

#[test]
fn a_fix_that_would_not_be_one_changes_nothing() {
    let whole = Repository::with_rules(&["path_regex: secret"]);
    whole.world.write("db-secret.yaml", MANIFEST);
    let run = whole.check(&["--fix"]);
    crate::assert_fails(
        &run,
        3,
        &[
            "db-secret.yaml could not be applied any more: its rule encrypts apiVersion as well",
            "encrypted_regex",
        ],
    );
    assert_eq!(whole.world.read("db-secret.yaml"), MANIFEST);

    let half = Repository::with_rules(&["path_regex: secret\n    encrypted_regex: ^data$"]);
    half.world.write("db-secret.yaml", MANIFEST);
    let run = half.check(&["--fix"]);
    crate::assert_fails(&run, 3, &["would not be encrypted by its rule"]);
    assert_eq!(half.world.read("db-secret.yaml"), MANIFEST);

    let keyless = Repository::new();
    let config = keyless
        .world
        .read(".sops.yaml")
        .replace(&keyless.recipient, "<key>");
    keyless.world.write(".sops.yaml", config);
    keyless.world.write("db-secret.yaml", MANIFEST);
    let run = keyless.check(&["--fix"]);
    crate::assert_fails(
        &run,
        3,
        &[
            "sops cannot encrypt db-secret.yaml",
            "  db-secret.yaml: not encrypted",
        ],
    );
    assert_eq!(keyless.world.read("db-secret.yaml"), MANIFEST);
    for repository in [&whole, &half, &keyless] {
        let names = std::fs::read_dir(repository.world.repo()).expect("the repository");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let strays = names.filter(|name| name.to_string_lossy().contains("kb-tmp"));
        assert_eq!(strays.count(), 0);
    }
}

/// `check --fix` replaces the only copy: of `01234` sops would make 668.
#[test]
fn a_fix_changes_no_value() {
    let repository = Repository::new();
    let odd = format!("{MANIFEST}  zip: 01234\n  until: 2026-01-01\n");
    repository.world.write("odd-secret.yaml", &odd);
    let empty = format!("{MANIFEST}---\n# nothing\n");
    repository.world.write("empty-secret.yaml", empty);
    let run = repository.check(&["--fix"]);
    let words = [
        "odd-secret.yaml was not encrypted, because sops would change it: 2 problems",
        "stringData.zip is a number for sops",
        "stringData.until is a date for sops",
        "Encrypted: empty-secret.yaml",
        "  odd-secret.yaml: not encrypted",
    ];
    crate::assert_fails(&run, 3, &words);
    assert!(!run.err().contains("01234"), "{}", run.err());
    assert_eq!(repository.world.read("odd-secret.yaml"), odd);
    let text = repository.world.read("empty-secret.yaml");
    assert!(text.contains("# nothing") && !text.contains("{}"), "{text}");
    assert!(!text.contains("\n---\n"), "{text}");
}

/// A pull request that changes only `.sops.yaml`.
#[test]
fn a_fix_encrypts_for_no_reader_that_only_the_working_tree_names() {
    let repository = Repository::new();
    let stranger = keypair(&repository.world).1;
    let reviewed = repository.world.read(".sops.yaml");
    repository.commit_all();
    let main = ["update-ref", "refs/remotes/origin/main", "HEAD"];
    repository.git(&main).assert_code(0);
    let plain = || {
        for name in ["a-secret.yaml", "b-secret.yaml"] {
            repository.world.write(name, MANIFEST);
        }
    };
    plain();
    let own = &repository.recipient;
    let changed = reviewed.replace(own, &format!("{own},{stranger}"));
    repository.world.write(".sops.yaml", &changed);
    let run = repository.check(&["--fix"]);
    let words = [
        "a-secret.yaml would be encrypted for",
        "b-secret.yaml would be encrypted for",
        "which cannot read it on origin/main yet (last fetch: ",
        &format!("--accept-reader {stranger}"),
    ];
    crate::assert_fails(&run, 3, &words);
    assert_eq!(repository.world.read("a-secret.yaml"), MANIFEST);
    // One question for both files.
    let kb = format!("'{}' k secrets check --fix", env!("CARGO_BIN_EXE_kb"));
    for (answer, code) in [("n", 3), ("y", 0)] {
        let mut terminal = Terminal::run_in(&repository.world, &kb);
        terminal
            .wait_for("cannot read a-secret.yaml, b-secret.yaml yet")
            .wait_for("Encrypt for it? [y/N]")
            .type_line(answer);
        let (ended, seen) = terminal.end();
        assert_eq!(ended, Some(code), "{seen}");
        assert_eq!(seen.matches("[y/N]").count(), 1, "{seen}");
    }
    assert!(repository.world.read("a-secret.yaml").contains(&stranger));
    plain();
    repository
        .check(&["--fix", "--accept-reader", &stranger])
        .assert_code(0);
    assert!(repository.world.read("b-secret.yaml").contains(&stranger));
    repository
        .check(&["--accept-reader", &stranger])
        .assert_code(2);
    // The index has the reviewed rules, and sops reads those of the working tree.
    plain();
    repository.world.write(".sops.yaml", &reviewed);
    repository.git(&["add", "--all"]).assert_code(0);
    repository.world.write(".sops.yaml", &changed);
    let run = repository.check(&["--staged", "--fix"]);
    let words = ["would be encrypted for other keys than its rule .sops.yaml:2:5 names"];
    crate::assert_fails(&run, 3, &words);
    assert_eq!(repository.world.read("a-secret.yaml"), MANIFEST);
    repository.world.write(".sops.yaml", &reviewed);
    repository.check(&["--fix"]).assert_code(0);
    assert!(!repository.world.read("a-secret.yaml").contains(&stranger));
}

/// Rules of another place than the top of the repository are named.
#[test]
fn a_fix_names_a_config_that_is_not_the_repositorys() {
    let repository = Repository::new();
    repository
        .world
        .write("apps/.sops.yaml", repository.world.read(".sops.yaml"));
    repository.world.write("apps/db-secret.yaml", MANIFEST);
    repository.world.write("db-secret.yaml", MANIFEST);
    let run = repository.check(&["--fix"]);
    let said = run.assert_code(0).err();
    assert!(
        said.contains("Encrypted: apps/db-secret.yaml, by apps/.sops.yaml\n"),
        "{said}"
    );
    assert!(said.contains("Encrypted: db-secret.yaml\n"), "{said}");
}

#[test]
fn a_fix_of_what_is_staged_leaves_the_index_to_the_person() {
    let repository = Repository::new();
    repository.world.write("db-secret.yaml", MANIFEST);
    repository.git(&["add", "--all"]).assert_code(0);
    let run = repository.check(&["--staged", "--fix"]);
    crate::assert_fails(
        &run,
        3,
        &[
            "Encrypted: db-secret.yaml",
            "the index has the old content until you stage the fixed file",
        ],
    );
    let staged = repository.git(&["show", ":db-secret.yaml"]);
    assert_eq!(staged.out(), MANIFEST);
    let encrypted = repository.world.read("db-secret.yaml");
    assert!(!encrypted.contains("hunter2"));
    // Once more: it is not encrypted twice.
    repository.check(&["--staged", "--fix"]).assert_code(3);
    assert_eq!(repository.world.read("db-secret.yaml"), encrypted);
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
}
