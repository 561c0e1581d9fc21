//! A text is encrypted for given keys by the real sops.

use kb::core::encrypted::Format;
use kb::core::readers::{Reader, Readers};
use kb::core::sops::{Access, AllowedIdentities, EncryptFor, Sops, SopsError, stores_of};
use secrecy::SecretBox;
use testkit::World;

use super::access::environment;
use crate::{bare_world, keypair, post_quantum_keypair};

fn secret(text: &str) -> SecretBox<Vec<u8>> {
    SecretBox::new(Box::new(text.as_bytes().to_vec()))
}

/// What sops opens it to with an identity; `None` if it does not.
fn opened(world: &World, file: &str, identity: &str) -> Option<String> {
    let mut command = world.tool_cmd("sops", ["decrypt", file]);
    command.env("SOPS_AGE_KEY", identity);
    let run = world.run(command);
    run.status.success().then(|| run.out().to_owned())
}

fn age(recipient: &str) -> Reader {
    let reader = Reader::age(recipient);
    assert!(reader.recipient().is_some(), "{recipient}");
    reader
}

#[test]
fn it_is_for_these_readers_whatever_the_rules_say() {
    let world = bare_world();
    let (one, one_recipient) = keypair(&world);
    let (other, other_recipient) = keypair(&world);
    let (quantum, quantum_recipient) = post_quantum_keypair(&world);
    let (evil, evil_recipient) = keypair(&world);
    let rules =
        format!("creation_rules:\n- age: {evil_recipient}\nstores: {{yaml: {{indent: 2}}}}\n");
    world.write(".sops.yaml", &rules);
    let stores = stores_of(rules.as_bytes());
    let environment = environment(
        &world,
        vec![
            ("SOPS_AGE_RECIPIENTS", evil_recipient),
            (
                "SOPS_CONFIG",
                world.path(".sops.yaml").display().to_string(),
            ),
        ],
    );
    let sops = Sops::find(environment, Some(world.path(".sops.yaml"))).expect("sops");
    // Larger than a pipe; the selection has a character that ends a line in some YAML.
    let long = "x".repeat(1 << 20);
    let text = format!("data:\n    é: hunter2\n    long: {long}\nplain: seen\n");
    let encrypt = |readers: &Readers, selection: &[(&str, String)]| {
        let request = EncryptFor {
            file: &world.path("a.yaml"),
            format: Format::Yaml,
            plaintext: &secret(&text),
            readers,
            selection,
            mac_only_encrypted: true,
            stores: stores.as_ref(),
            undisturbed: true,
        };
        let encrypted = sops.encrypt_for(&request, Access::age(AllowedIdentities::None), None);
        let encrypted = encrypted.unwrap_or_else(|error| panic!("{error}"));
        world.write("a.yaml", &encrypted);
        String::from_utf8(encrypted).expect("text")
    };

    let flat = Readers {
        groups: vec![vec![age(&one_recipient), age(&other_recipient)]],
        threshold: None,
    };
    let selection = [("encrypted_regex", "^(é|long|\u{2028})$".to_owned())];
    let encrypted = encrypt(&flat, &selection);
    assert!(encrypted.contains("\nplain: seen\n"), "the selection");
    assert!(encrypted.contains("\n  long: ENC["), "the indentation");
    assert!(encrypted.contains("mac_only_encrypted: true"));
    assert!(!encrypted.contains("hunter2") && !encrypted.contains("key_groups"));
    for identity in [&one, &other] {
        let opened = opened(&world, "a.yaml", identity).expect("it opens");
        assert!(opened.contains("hunter2") && opened.contains(&long));
    }
    assert_eq!(opened(&world, "a.yaml", &evil), None);

    let split = Readers {
        groups: vec![
            vec![age(&one_recipient)],
            vec![age(&other_recipient)],
            vec![age(&quantum_recipient)],
        ],
        threshold: Some(2),
    };
    let encrypted = encrypt(&split, &[]);
    assert!(encrypted.contains("shamir_threshold: 2"));
    assert_eq!(opened(&world, "a.yaml", &one), None);
    assert!(opened(&world, "a.yaml", &format!("{one}\n{quantum}")).is_some());
    assert!(world.files_containing(b"hunter2").is_empty());
}

#[test]
fn a_text_that_is_not_of_its_format_and_a_key_that_is_none_are_told_apart() {
    let world = bare_world();
    let (_, recipient) = keypair(&world);
    let sops = Sops::find(environment(&world, Vec::new()), None).expect("sops");
    let encrypt = |text: &str, format, reader| {
        let readers = Readers {
            groups: vec![vec![reader]],
            threshold: None,
        };
        let request = EncryptFor {
            file: &world.path("a"),
            format,
            plaintext: &secret(text),
            readers: &readers,
            selection: &[],
            mac_only_encrypted: false,
            stores: None,
            undisturbed: false,
        };
        sops.encrypt_for(&request, Access::age(AllowedIdentities::None), None)
    };
    for (format, text) in [
        (Format::Yaml, "a: b\n"),
        (Format::Json, "{\"a\": \"b\"}\n"),
        (Format::Dotenv, "a=b\n"),
        (Format::Ini, "[s]\na = b\n"),
        (Format::Binary, "anything"),
    ] {
        let encrypted = encrypt(text, format, age(&recipient)).expect("encrypted");
        let encrypted = String::from_utf8_lossy(&encrypted);
        assert!(encrypted.contains(&recipient) && encrypted.contains("ENC["));
    }
    let refused = encrypt("{", Format::Json, age(&recipient));
    assert!(matches!(refused, Err(SopsError::Refused { .. })));
    let refused = encrypt("a: b\n", Format::Yaml, Reader::age("nobody"));
    let Err(error @ SopsError::NotAKey { .. }) = refused else {
        panic!("it is no key");
    };
    assert!(error.to_string().contains("nobody"), "{error}");
}
