//! `decrypt` of what cannot be decrypted: what is wrong, and what to do.

use std::os::unix::fs::PermissionsExt;

use crate::{CANARY, SECRET, Setup, assert_fails, keypair};

/// A setup whose server nobody listens at: what is wrong with the file must be
/// told before the cluster is asked.
fn without_cluster(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    setup.encrypt("my-secret.yaml", SECRET);
    let nowhere = format!("https://127.0.0.1:{}", testkit::net::refused_port());
    setup.server(&nowhere);
    setup
}

#[test]
fn what_is_no_encrypted_file_is_told_before_the_cluster_is_asked() {
    let setup = without_cluster("nofile");
    setup.world.write("plain.yaml", SECRET);
    setup
        .world
        .write("plain.json", format!("{{\"a\": \"{CANARY}\"}}"));
    setup.world.write("plain.env", format!("A={CANARY}\n"));
    setup.world.write("plain.ini", format!("[a]\nb={CANARY}\n"));
    setup.world.write("plain.txt", CANARY);
    setup.world.write("empty.yaml", "");
    setup.world.write("blank.yaml", " \n\n");
    setup.world.write(
        "damaged.yaml",
        format!("stringData:\n  a: {CANARY}\n b: [\n"),
    );
    setup
        .world
        .write("damaged.json", format!("{{\"a\": \"{CANARY}\",\n"));
    setup.world.write("other.yaml", "sops: 3\n");
    setup
        .world
        .write("nokey.yaml", "a: b\nsops:\n  mac: ENC[AES256_GCM,data:x]\n");
    setup.world.tool("mkfifo", ["pipe.yaml"]).assert_code(0);
    let cases: [(&str, &[&str]); 14] = [
        ("gone.yaml", &["there is no file gone.yaml"]),
        (".", &["is a directory"]),
        ("pipe.yaml", &["pipe.yaml is a pipe or a device"]),
        (
            "plain.yaml",
            &[
                "plain.yaml is not encrypted",
                "kb k secrets check --fix plain.yaml",
            ],
        ),
        ("plain.json", &["plain.json is not encrypted"]),
        ("plain.env", &["plain.env is not encrypted"]),
        ("plain.ini", &["plain.ini is not encrypted"]),
        ("plain.txt", &["plain.txt is not encrypted"]),
        ("empty.yaml", &["empty.yaml is empty"]),
        ("blank.yaml", &["blank.yaml is empty"]),
        (
            "damaged.yaml",
            &["damaged.yaml:3:", "is not encrypted, and does not parse"],
        ),
        (
            "damaged.json",
            &["damaged.json:2:", "is not encrypted, and does not parse"],
        ),
        ("other.yaml", &["other.yaml is not encrypted"]),
        ("nokey.yaml", &["nokey.yaml is damaged", "names no key"]),
    ];
    for (name, words) in cases {
        let run = setup.decrypt(&[name]);
        assert_fails(&run, 1, words);
        assert!(!run.err().contains(CANARY), "{}", run.err());
        assert!(!run.err().contains("127.0.0.1"), "{}", run.err());
    }
}

#[test]
fn a_file_that_may_not_be_read_is_told() {
    let setup = without_cluster("unreadable");
    let file = setup.world.path("my-secret.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).expect("chmod");
    let run = crate::as_ordinary_user(&setup, &["k", "secrets", "decrypt", "my-secret.yaml"]);
    assert_fails(
        &run,
        1,
        &["cannot read my-secret.yaml", "Permission denied", "ls -l"],
    );
}

#[test]
fn a_file_for_another_cluster_says_who_opens_it_and_what_this_one_holds() {
    let setup = Setup::initialized("wrong");
    let (_, other) = keypair(&setup.world);
    setup.encrypt_for(&other, "s.yaml", SECRET);
    let run = setup.decrypt(&["s.yaml"]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: s.yaml is encrypted for another cluster
      it opens for     [RECIPIENT]
      this cluster has [RECIPIENT] ([NS]/sops-age)
    hint: --context chooses another cluster
    ");
    assert!(run.err().contains(&other));
}

#[test]
fn a_mac_that_does_not_match_is_told_and_can_be_ignored() {
    let setup = Setup::initialized("mac");
    let config = setup.world.read(".sops.yaml").replace(
        "encrypted_regex: ^(data|stringData)$",
        "mac_only_encrypted: false\n    encrypted_regex: ^(data|stringData)$",
    );
    setup.world.write(".sops.yaml", config);
    setup.encrypt("my-secret.yaml", SECRET);
    let text = setup
        .world
        .read("my-secret.yaml")
        .replace("name: db", "name: changed-by-hand");
    setup.world.write("my-secret.yaml", text);
    let run = setup.decrypt(&["my-secret.yaml"]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the MAC of my-secret.yaml does not match: it was changed without sops
    hint: to see how it was before: git log -p -- my-secret.yaml
    hint: --ignore-mac prints it all the same
    ");
    let run = setup.decrypt(&["my-secret.yaml", "--ignore-mac"]);
    assert!(run.assert_code(0).out().contains("changed-by-hand"));
}

/// A person typed a plaintext into an encrypted file: sops repeats it, kb does
/// not.
#[test]
fn a_plaintext_typed_into_an_encrypted_file_is_not_repeated() {
    let setup = Setup::initialized("typed");
    setup.encrypt("my-secret.yaml", SECRET);
    let text = setup.world.read("my-secret.yaml");
    let start = text.find("password: ").expect("a password") + "password: ".len();
    let end = start + text[start..].find('\n').expect("a line end");
    let text = format!("{}{CANARY}{}", &text[..start], &text[end..]);
    setup.world.write("my-secret.yaml", text);
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert_fails(
        &run,
        1,
        &["sops cannot decrypt my-secret.yaml: a value in it was damaged"],
    );
    assert!(!run.err().contains(CANARY), "{}", run.err());
}

#[test]
fn a_damaged_value_and_a_damaged_key_are_told() {
    let setup = Setup::initialized("damaged");
    setup.encrypt("my-secret.yaml", SECRET);
    let whole = setup.world.read("my-secret.yaml");
    setup.world.write(
        "my-secret.yaml",
        whole.replace(
            "password: ENC[AES256_GCM,data:",
            "password: ENC[AES256_GCM,data:AAAA",
        ),
    );
    assert_fails(
        &setup.decrypt(&["my-secret.yaml"]),
        1,
        &["sops cannot decrypt my-secret.yaml: a value in it was damaged"],
    );
    let start = whole.find("-----BEGIN AGE").expect("armor") + 60;
    let mut broken = whole.clone();
    broken.replace_range(start..start + 8, "AAAAAAAA");
    setup.world.write("my-secret.yaml", broken);
    assert_fails(
        &setup.decrypt(&["my-secret.yaml"]),
        1,
        &["sops cannot open my-secret.yaml"],
    );
}

#[test]
fn an_expression_that_names_nothing_is_told() {
    let setup = Setup::initialized("expr");
    setup.encrypt("my-secret.yaml", SECRET);
    let through_a_scalar = "[\"stringData\"][\"password\"][\"x\"]";
    for expression in [
        "[\"stringData\"][\"nope\"]",
        "stringData.password",
        through_a_scalar,
    ] {
        let run = setup.decrypt(&["my-secret.yaml", "--extract", expression]);
        assert_fails(&run, 1, &["names nothing in my-secret.yaml", expression]);
        assert!(!run.err().contains(CANARY), "{}", run.err());
        assert!(!run.err().contains("goroutine"), "{}", run.err());
    }
}

/// What a person types into an encrypted file by mistake is quoted by many of
/// sops's messages, and by none of kb's.
#[test]
fn whatever_is_typed_into_an_encrypted_file_is_not_repeated() {
    let setup = Setup::initialized("quoted");
    let recipient = setup.recipient();
    setup.encrypt_for(&recipient, "s.ini", "[db]\nuser = x\n");
    setup.encrypt_for(&recipient, "s.env", "USER=x\n");
    setup.encrypt_for(&recipient, "s.yaml", "user: x\n");
    for (name, line) in [
        ("s.ini", format!("\"{CANARY} = x")),
        ("s.ini", format!("a = `{CANARY}")),
        ("s.ini", format!("[{CANARY}")),
        ("s.ini", format!("= {CANARY}")),
        ("s.env", CANARY.to_owned()),
        (
            "s.yaml",
            format!("a: {CANARY} does not match sops' data format {CANARY}"),
        ),
        (
            "s.yaml",
            format!("a: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:{CANARY}]"),
        ),
        ("s.yaml", format!("{CANARY}: [")),
    ] {
        let whole = setup.world.read(name);
        setup.world.write(name, format!("{line}\n{whole}"));
        let run = setup.decrypt(&[name]);
        assert_fails(&run, 1, &[name]);
        assert!(!run.err().contains(CANARY), "{line}: {}", run.err());
        setup.world.write(name, whole);
    }
}

/// Cut short, it is still no plaintext: the hint must not be to encrypt it.
#[test]
fn what_is_left_of_an_encrypted_file_is_damaged_and_not_plaintext() {
    let setup = Setup::initialized("cut");
    setup.encrypt("my-secret.yaml", SECRET);
    let recipient = setup.recipient();
    setup.encrypt_for(&recipient, "s.bin", CANARY);
    setup.encrypt_for(&recipient, "s.ini", "[db]\nuser = x\n");
    let whole = setup.world.read("my-secret.yaml");
    let without_metadata = &whole[..whole.find("sops:").expect("metadata")];
    setup.world.write("cut.yaml", without_metadata);
    setup
        .world
        .write("cut.bin", &setup.world.read("s.bin")[..200]);
    let ini = setup.world.read("s.ini");
    setup
        .world
        .write("cut.ini", &ini[..ini.find("[sops]").expect("metadata")]);
    for name in ["cut.yaml", "cut.bin", "cut.ini"] {
        let run = setup.decrypt(&[name]);
        assert_fails(&run, 1, &["is damaged", "git log -p"]);
        assert!(!run.err().contains("sops encrypt"), "{}", run.err());
    }
}

/// What stands in the metadata may have been typed there, too.
#[test]
fn a_damaged_data_key_is_not_repeated() {
    let setup = Setup::initialized("datakey");
    setup.encrypt("my-secret.yaml", SECRET);
    let whole = setup.world.read("my-secret.yaml");
    let (start, end) = ("-----BEGIN AGE", "-----END AGE ENCRYPTED FILE-----");
    let (from, to) = (
        whole.find(start).expect("armor"),
        whole.find(end).expect("armor"),
    );
    let typed = format!("{}{CANARY}{}", &whole[..from], &whole[to + end.len()..]);
    setup.world.write("my-secret.yaml", typed);
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert_fails(&run, 1, &["sops cannot open my-secret.yaml", "FAILED"]);
    assert!(!run.err().contains(CANARY), "{}", run.err());
}

#[test]
fn a_missing_secret_or_namespace_leads_to_init() {
    let mut setup = Setup::new("missing");
    let (_, recipient) = keypair(&setup.world);
    setup.encrypt_for(&recipient, "s.yaml", SECRET);
    let run = setup.decrypt(&["s.yaml"]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the cluster has no Secret [NS]/sops-age
    hint: --context chooses another cluster, -n and --secret-name another Secret
    hint: to give this cluster its key: kb k secrets init -n [NS]
    ");
    setup.namespace = "never-made".to_owned();
    assert_fails(
        &setup.decrypt(&["s.yaml"]),
        1,
        &["no namespace never-made", "kb k secrets init -n never-made"],
    );
}

#[test]
fn a_secret_without_a_usable_key_is_told() {
    let setup = Setup::new("unusable");
    let (key, recipient) = keypair(&setup.world);
    setup.encrypt_for(&recipient, "s.yaml", SECRET);
    setup.put_key(&[("age.key", &key)]);
    insta::assert_snapshot!(setup.decrypt(&["s.yaml"]).snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the Secret [NS]/sops-age holds its key as age.key, which Flux does not read
    hint: to rename age.key to age.agekey: kubectl -n [NS] patch secret sops-age --type=json -p '[{"op":"move","from":"/data/age.key","path":"/data/age.agekey"}]'
    "#);
    setup.put_key(&[("age.agekey", &recipient)]);
    assert_fails(
        &setup.decrypt(&["s.yaml"]),
        1,
        &["age.agekey, line 1: it is a public key"],
    );
}

#[test]
fn a_broken_config_is_placed() {
    let setup = without_cluster("config");
    setup
        .world
        .write(".sops.yaml", "creation_rules:\n  - path_regex: [a\n");
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert_fails(&run, 1, &[".sops.yaml:2:17"]);
    assert!(!run.err().contains("127.0.0.1"), "{}", run.err());
}

#[test]
fn sops_missing_or_too_old_is_told() {
    let mut setup = Setup::initialized("old");
    setup.encrypt("my-secret.yaml", SECRET);
    // An old sops takes `decrypt` for a file's name.
    let old = setup.world.script(
        "old-sops",
        "#!/bin/sh\n[ \"$2\" = --version ] && { echo 'sops 3.8.1 (latest)'; exit; }\n\
         echo 'cannot operate on non-existent file' >&2\nexit 100\n",
    );
    let (bin, sops) = (setup.world.bin(), setup.world.bin().join("sops"));
    std::fs::remove_file(&sops).expect("remove");
    setup.world.env("PATH", bin);
    assert_fails(
        &setup.decrypt(&["my-secret.yaml"]),
        1,
        &["sops is not installed"],
    );
    std::fs::rename(old, sops).expect("rename");
    assert_fails(
        &setup.decrypt(&["my-secret.yaml"]),
        1,
        &["version 3.8.1", "3.9.1 or newer"],
    );
}
