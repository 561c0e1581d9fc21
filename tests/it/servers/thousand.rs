//! A rotation of a thousand sound files, with all that an attacker may put beside them.

use std::path::Path;

use base64::Engine as _;
use kb::core::data_key::Opener;
use kb::core::encrypted::{EncryptedFile, Format, Verified};
use kb::core::identity::Identity;

use super::{Hostile, SECRET, entry};
use crate::{keypair, recipient_of};
use kb::core::readers::KeyKind;

const SOUND: usize = 1000;

/// One entry of the metadata of a file, for a recipient.
fn age_entry(recipient: &str) -> String {
    format!(
        "    age:\n        - recipient: {recipient}\n          enc: |\n            -----BEGIN AGE ENCRYPTED FILE-----\n            AAAA\n            -----END AGE ENCRYPTED FILE-----\n"
    )
}

/// No hostile file gives anyone a value or contacts a server, and none keeps the sound
/// files from their new key. Each one that stays as it is has been named.
#[test]
fn whatever_a_file_says_the_other_thousand_are_rotated() {
    let hostile = Hostile::new();
    let setup = &hostile.setup;
    let world = &setup.world;
    let old = setup.recipient();
    let (_, attacker) = keypair(world);
    let good = world.read("good-secret.yaml");
    for index in 0..SOUND {
        world.write(format!("sound/{index}-secret.yaml"), &good);
    }
    let port = hostile.log.port();
    // What sops needs of one line of a recipient: it is read as text.
    let recipient = good.lines().find(|line| line.contains("recipient: "));
    let recipient = recipient.expect("a recipient").to_owned();
    let indent = recipient.split("recipient").next().expect("an indent");
    let indent = indent.replace('-', " ");
    let replaced = |with: &str| good.replace(&recipient, with);
    let base64 = base64::engine::general_purpose::STANDARD.encode(&old);
    let many: String = (0..300).map(|_| entry(KeyKind::Vault, port)).collect();
    let bomb = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let below = level - 1;
        format!("{text}a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n")
    });
    let stranger = age_entry(&attacker).replace("    age:\n", "");
    let strangers = stranger.repeat(1001);
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(good.encode_utf16().flat_map(u16::to_le_bytes));
    let files: Vec<(&str, Vec<u8>)> = vec![
        // An entry more.
        (
            "added",
            good.replace("    age:\n", &age_entry(&attacker)).into(),
        ),
        // Recipients in other spellings.
        (
            "escaped",
            good.replace(&old, &format!("\"\\u0061{}\"", &old[1..]))
                .into(),
        ),
        (
            "binary",
            good.replace(&old, &format!("!!binary {base64}")).into(),
        ),
        (
            "commented",
            replaced(&format!("{recipient} # {attacker}")).into(),
        ),
        ("anchor", replaced(&recipient.replace(": ", ": &a ")).into()),
        ("upper", good.replace("    age:", "    AGE:").into()),
        ("utf16", utf16),
        (
            "flow",
            good.replace("sops:\n", "sops: {age: []}\nsops:\n").into(),
        ),
        // Two lists of recipients, of which readers take different ones.
        (
            "twice",
            good.replace("sops:\n", &format!("sops:\n{}", age_entry(&attacker)))
                .into(),
        ),
        (
            "groups",
            good.replace(
                "sops:\n",
                &format!(
                    "sops:\n    shamir_threshold: 1\n    key_groups:\n    - {}",
                    age_entry(&attacker).trim_start().replace('\n', "\n  ")
                ),
            )
            .trim_end()
            .to_owned()
            .into(),
        ),
        // Selections, MACs, versions.
        (
            "selection",
            good.replace("sops:\n", "sops:\n    encrypted_regex: ^nothing$\n")
                .into(),
        ),
        (
            "mac-only",
            good.replace("sops:\n", "sops:\n    mac_only_encrypted: true\n")
                .into(),
        ),
        ("no-mac", good.replace("    mac: ", "    mac2: ").into()),
        ("changed", good.replace("name: a", "name: b").into()),
        (
            "plaintext",
            good.replace("password: ENC", "password: x #").into(),
        ),
        // Time and memory.
        ("bomb", format!("{bomb}{good}").into()),
        ("nested", format!("n: {nested}\n{good}").into()),
        (
            "many",
            good.replace("sops:\n", &format!("sops:\n{many}")).into(),
        ),
        // What each of them unfolds to is small, and all of it together is not.
        (
            "documents",
            format!(
                "{good}{}",
                "---\na: &a [1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]\n"
                    .repeat(2000)
            )
            .into(),
        ),
        (
            "long-alias",
            format!("t: &t {}\nl: [{}]\n{good}", "x".repeat(9999), "*t, ".repeat(9999)).into(),
        ),
        (
            "recipients",
            good.replace("    age:\n", &format!("    age:\n{strangers}")).into(),
        ),
        (
            "expression",
            good.replace(
                "encrypted_regex: ^(data|stringData)$",
                "encrypted_regex: (a|b)*a(a|b){900}",
            )
            .into(),
        ),
        // Not even YAML, or cut off.
        ("tab", good.replace("    age:\n", "\tage:\n").into()),
        ("cut", good[..good.len() * 2 / 3].into()),
        (
            "control",
            good.replace("name: a", "name: \"a\\e[2J\u{1b}[2J\"").into(),
        ),
        (
            "server-in-recipient",
            replaced(&format!(
                "{recipient}\n{indent}vault_address: http://127.0.0.1:{port}"
            ))
            .into(),
        ),
    ];
    let mut names = hostile.files.clone();
    for (name, content) in files {
        assert_ne!(content, good.as_bytes(), "{name} is not hostile");
        let name = format!("hostile/{name}-secret.yaml");
        world.write(&name, content);
        names.push(name);
    }
    let before: Vec<Vec<u8>> = names.iter().map(|name| world.read_bytes(name)).collect();
    let run = setup.init(&["--force"]);
    assert_eq!(hostile.log.take(), [] as [String; 0]);
    run.assert_code(3);
    let key = run.out().trim();
    let new = recipient_of(world, key);
    let identity: Identity = key.parse().expect("a key");
    let opener = Opener::new([&identity]);
    for index in 0..SOUND {
        let name = format!("sound/{index}-secret.yaml");
        let content = world.read_bytes(&name);
        let (verified, _) = Verified::open(Format::Yaml, &content, &opener).expect(&name);
        assert_eq!(verified.recipients().collect::<Vec<_>>(), [&new], "{name}");
    }
    let mut rotated = Vec::new();
    for (name, before) in names.iter().zip(&before) {
        let content = world.read_bytes(name);
        if content == *before {
            let short = name.rsplit('/').next().expect("a name");
            assert!(
                run.err().contains(short),
                "{name} is not named:\n{}",
                run.err()
            );
            continue;
        }
        let file = EncryptedFile::parse(Path::new(name), &content).expect(name);
        let readers: Vec<String> = file
            .metadata
            .readers()
            .all()
            .map(ToString::to_string)
            .collect();
        assert_eq!(readers, std::slice::from_ref(&new), "{name}");
        assert_eq!(file.others.len(), 0, "{name}");
        let mut sops = world.tool_cmd("sops", ["decrypt", name]);
        sops.env("SOPS_AGE_KEY", key);
        let run = world.run(sops);
        assert_eq!(run.assert_code(0).out(), SECRET, "{name}");
        rotated.push(name.as_str());
    }
    // Those that only add an entry are in order without it.
    for name in ["hc_vault-added-secret.yaml", "kms-added-secret.yaml"] {
        assert!(rotated.contains(&name), "{name} was left:\n{}", run.err());
    }
    let left = names.len() - rotated.len();
    assert!(
        run.err()
            .contains(&format!("error: {left} files were left")),
        "{}",
        run.err()
    );
    let screen = run.err();
    assert!(!screen.contains('\u{1b}'), "{screen:?}");
}
