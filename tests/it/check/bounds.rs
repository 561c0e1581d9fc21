//! Files that would take kb too long, or too much memory, to read: they are named, never in
//! order, and keep no other file from being looked at.

use super::{MANIFEST, Repository};

/// An encrypted Secret whose metadata names these, in some way.
fn encrypted(repository: &Repository, change: impl FnOnce(&str) -> String) -> String {
    repository.encrypt("sound-secret.yaml", MANIFEST);
    let sound = repository.world.read("sound-secret.yaml");
    let changed = change(&sound);
    assert_ne!(changed, sound);
    changed
}

#[test]
fn what_is_too_large_to_read_is_named_and_the_others_are_looked_at() {
    let repository = Repository::new();
    let recipient = &repository.recipient;
    let entry = format!("        - recipient: {recipient}\n          enc: x\n");
    let list = format!("    age:\n{}", entry.repeat(1001));
    let texts = format!("t: &t {}\nl: [{}]\n", "x".repeat(9999), "*t, ".repeat(9999));
    let bomb = "---\na: &a [1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: [*b, *b, *b, *b, *b, *b, *b, *b]\n"
        .repeat(2000);
    let keys = format!(
        "K=v\nsops_{}=x\nsops_mac=ENC[AES256_GCM,data:x]\n",
        "__map_a".repeat(20_000)
    );
    let too_large = "damaged: it is nested too deeply, or aliases, merge keys or long keys";
    let cases = [
        (
            "recipients-secret.yaml",
            encrypted(&repository, |sound| sound.replacen("    age:\n", &list, 1)),
            "damaged: its sops metadata names more than 1000 keys",
        ),
        (
            "expression-secret.yaml",
            encrypted(&repository, |sound| {
                sound.replace("^(data|stringData)$", "(a|b)*a(a|b){900}")
            }),
            "damaged: kb cannot tell which values the expression",
        ),
        (
            "texts-secret.yaml",
            encrypted(&repository, |sound| format!("{texts}{sound}")),
            too_large,
        ),
        (
            "documents-secret.yaml",
            encrypted(&repository, |sound| format!("{sound}{bomb}")),
            too_large,
        ),
        ("plain-secret.yaml", format!("{MANIFEST}{bomb}"), too_large),
    ];
    for (name, text, _) in &cases {
        repository.world.write(name, text);
    }
    let run = repository.check(&[]);
    crate::assert_fails(&run, 3, &["error: kb cannot read these files:"]);
    for (name, _, words) in &cases {
        let line = run.err().lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not named:\n{}", run.err()));
        assert!(line.contains(words), "{line}");
    }
    assert!(!run.err().contains("sound-secret.yaml"), "{}", run.err());
    // A rule for dotenv files.
    let dotenv = Repository::with_rules(&["path_regex: \\.env$"]);
    dotenv.world.write("deep.env", keys);
    dotenv.world.write("plain.env", "PASSWORD=hunter2\n");
    let run = dotenv.check(&[]);
    crate::assert_fails(&run, 3, &["plain.env", "deep.env"]);
}

/// Nobody can tell which paths a rule is for whose expression is too complex: that is not
/// "no rule is for it".
#[test]
fn a_rule_whose_expression_is_too_complex_counts_as_broken() {
    for (rule, words) in [
        (
            r"path_regex: .*([^a]{30}){30}",
            "it is too long or too complex for kb to tell what it matches",
        ),
        (
            r"encrypted_regex: .*([^a]{30}){30}",
            "kb cannot tell which values this expression selects",
        ),
    ] {
        let repository = Repository::with_rules(&[rule]);
        repository.world.write("db-secret.yaml", MANIFEST);
        let run = repository.check(&[]);
        assert_eq!(run.code, Some(3), "{}", run.err());
        for words in [".sops.yaml:2:", words, "db-secret.yaml"] {
            assert!(run.err().contains(words), "no {words:?} in:\n{}", run.err());
        }
    }
}

#[test]
fn a_rule_with_too_many_keys_counts_as_broken() {
    let repository = Repository::new();
    let keys = vec![repository.recipient.as_str(); 1001].join(",");
    let config = repository.world.read(".sops.yaml");
    let config = config.replace(&repository.recipient, &keys);
    repository.world.write(".sops.yaml", config);
    let run = repository.check(&[]);
    crate::assert_fails(&run, 3, &["the rule names more than 1,000 keys"]);
}
