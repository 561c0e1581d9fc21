//! `.kbignore`: what people have decided to leave out.

use super::{MANIFEST, Repository};
use crate::keypair;

#[test]
fn plaintext_that_is_left_out_is_no_finding_and_is_counted() {
    let repository = Repository::new();
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write("plain-secret.yaml", MANIFEST);
    write("tests/a-secret.yaml", MANIFEST);
    write("tests/keep-secret.yaml", MANIFEST);
    write("tests/other.yaml", MANIFEST);
    write(
        ".kbignore",
        "# why\n/plain-secret.yaml\ntests/**\n!tests/keep-secret.yaml\n",
    );
    let line = "tests/keep-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)";
    let run = repository.assert_found(&[], &[line]);
    assert!(
        run.err()
            .ends_with("hint: 3 files were left out by .kbignore; --no-ignore counts them too\n"),
        "{}",
        run.err()
    );
    assert!(!run.err().contains("warning"), "{}", run.err());
    std::fs::remove_file(repository.world.path("tests/keep-secret.yaml")).expect("removed");
    let run = repository.check(&[]);
    assert!(
        run.assert_code(0)
            .err()
            .ends_with("no wrong reader. 3 files were left out by .kbignore.\n"),
        "{}",
        run.err()
    );
    let json = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.assert_code(0).out()).expect("JSON");
    assert_eq!(json["ignored"], 3);
    repository.check(&["--no-ignore"]).assert_code(3);
    // Only the one at the top counts.
    write("apps/.kbignore", "*\n");
    write("apps/b-secret.yaml", MANIFEST);
    repository.check(&["apps"]).assert_code(3);
}

#[test]
fn neither_a_private_key_nor_a_wrong_reader_can_be_left_out() {
    let repository = Repository::new();
    repository.world.write(".kbignore", "*\n");
    let (key, other) = keypair(&repository.world);
    repository.world.write("notes.txt", &key);
    repository.assert_found(&[], &["notes.txt:1: it contains an age private key"]);
    std::fs::remove_file(repository.world.path("notes.txt")).expect("removed");
    repository.encrypt("db-secret.yaml", MANIFEST);
    let config = repository.world.read(".sops.yaml");
    repository
        .world
        .write(".sops.yaml", config.replace(&repository.recipient, &other));
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(3).out()).expect("JSON");
    assert_eq!(json["problems"][0]["kind"], "other-recipients");
}

#[test]
fn a_commit_that_leaves_its_own_files_out_says_so() {
    let repository = Repository::new();
    repository.commit_all();
    repository.world.write(".kbignore", "plain-secret.yaml\n");
    repository.world.write("plain-secret.yaml", MANIFEST);
    // What is not in the index does not count.
    repository.git(&["add", "plain-secret.yaml"]).assert_code(0);
    repository.check(&["--staged"]).assert_code(3);
    repository.git(&["add", "--all"]).assert_code(0);
    let run = repository.check(&["--staged"]);
    let remark = "warning: this commit changes .kbignore, which leaves out files of the same commit: plain-secret.yaml";
    assert!(run.assert_code(0).err().contains(remark), "{}", run.err());
    repository
        .check(&["--staged", "--no-ignore"])
        .assert_code(3);
    repository.commit_all();
    // A line that goes shows what it had left out.
    repository.world.write(".kbignore", "other\n");
    repository.git(&["add", ".kbignore"]).assert_code(0);
    let run = repository.check(&["--staged"]);
    crate::assert_fails(
        &run,
        3,
        &["plain-secret.yaml", "this commit changes .kbignore"],
    );
}
