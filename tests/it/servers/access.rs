//! What a sops process reaches with and without leave.

use std::ffi::OsString;
use std::path::Path;

use kb::core::encrypted::Format;
use kb::core::readers::{KeyKind, Reader, Readers};
use kb::core::sops::{Access, AllowedIdentities, EncryptFor, Sops};
use secrecy::SecretBox;
use testkit::net::RequestLog;

use super::{ARN, GCP_ID, HUAWEI_ID, KINDS, credentials};
use crate::bare_world;

/// The environment of a world, for a sops that this process starts.
pub(super) fn environment(
    world: &testkit::World,
    more: Vec<(&'static str, String)>,
) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<(OsString, OsString)> = vec![
        (
            "PATH".into(),
            format!("{}:/usr/bin:/bin", world.bin().display()).into(),
        ),
        ("HOME".into(), world.home().into()),
        ("TMPDIR".into(), world.tmp().into()),
    ];
    environment.extend(
        more.into_iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    environment
}

fn reader(kind: KeyKind, port: u16) -> Reader {
    match kind {
        KeyKind::Vault => Reader::vault(&format!("http://127.0.0.1:{port}/v1/transit/keys/k")),
        KeyKind::Kms => Reader::kms(ARN, ""),
        KeyKind::GcpKms => Reader::Gcp(GCP_ID.to_owned()),
        KeyKind::AzureKeyVault => Reader::azure(&format!("https://127.0.0.1:{port}/keys/k/v")),
        KeyKind::HuaweiKms => Reader::Huawei(HUAWEI_ID.to_owned()),
        KeyKind::Age | KeyKind::Pgp => unreachable!("not on a server"),
    }
}

/// Something small that is to be encrypted.
fn request<'a>(
    file: &'a Path,
    text: &'a SecretBox<Vec<u8>>,
    readers: &'a Readers,
) -> EncryptFor<'a> {
    EncryptFor {
        file,
        format: Format::Yaml,
        plaintext: text,
        readers,
        selection: &[],
        mac_only_encrypted: false,
        stores: None,
        undisturbed: false,
    }
}

#[test]
fn only_a_kind_that_is_allowed_reaches_its_server() {
    let log = RequestLog::start();
    let world = bare_world();
    let text = SecretBox::new(Box::new(b"a: b\n".to_vec()));
    let environment = environment(&world, credentials(log.port()));
    let sops = Sops::find(environment, None).expect("sops");
    // Azure's SDK tries again for most of a minute. (A script that was there before would
    // be taken for a version manager, which gets more.)
    let real = std::fs::read_link(world.bin().join("sops")).expect("a link");
    let script = format!("#!/bin/sh\nexec timeout 5 '{}' \"$@\"\n", real.display());
    world.script("sops", &script);
    for kind in KINDS {
        let readers = Readers {
            groups: vec![vec![reader(kind, log.port())]],
            threshold: None,
        };
        let request = request(Path::new("/a.yaml"), &text, &readers);
        let others: Vec<KeyKind> = KeyKind::ALL.into_iter().filter(|it| *it != kind).collect();
        for (keys, kinds) in [
            (AllowedIdentities::None, &[][..]),
            (AllowedIdentities::None, &others),
            (AllowedIdentities::Own, &[]),
        ] {
            let encrypted = sops.encrypt_for(&request, Access { keys, kinds }, None);
            assert!(encrypted.is_err(), "{kind:?} by {kinds:?}");
            let asked = log.take();
            assert!(asked.is_empty(), "{kind:?} by {kinds:?}: {asked:?}");
        }
        let access = Access {
            keys: AllowedIdentities::None,
            kinds: &[kind],
        };
        let encrypted = sops.encrypt_for(&request, access, None);
        assert!(encrypted.is_err(), "it is refused there");
        let asked = log.take();
        assert!(!asked.is_empty(), "{kind:?} is allowed");
        let is_logged_in = asked[0].contains("victim") || asked[0].contains("TLS");
        assert!(is_logged_in, "{kind:?}: {asked:?}");
    }
}

/// A server elsewhere is reached through the person's proxy, here the log.
#[test]
fn without_leave_nothing_goes_to_the_proxy_either() {
    let log = RequestLog::start();
    let world = bare_world();
    let text = SecretBox::new(Box::new(b"a: b\n".to_vec()));
    let proxy = format!("http://127.0.0.1:{}", log.port());
    let mut variables = credentials(log.port());
    variables.retain(|(name, _)| !name.contains("ENDPOINT"));
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
        variables.push((name, proxy.clone()));
    }
    let sops = Sops::find(environment(&world, variables), None).expect("sops");
    for reader in [
        Reader::vault("http://vault.invalid:8200/v1/transit/keys/k"),
        Reader::kms(ARN, ""),
    ] {
        let kind = reader.kind();
        let readers = Readers {
            groups: vec![vec![reader]],
            threshold: None,
        };
        let request = request(Path::new("/a.yaml"), &text, &readers);
        for access in [
            Access::local(AllowedIdentities::None),
            Access::local(AllowedIdentities::Own),
            Access {
                keys: AllowedIdentities::None,
                kinds: &[KeyKind::AzureKeyVault],
            },
        ] {
            assert!(sops.encrypt_for(&request, access, None).is_err());
            assert_eq!(log.take(), Vec::<String>::new(), "{kind:?}");
        }
        let access = Access {
            keys: AllowedIdentities::None,
            kinds: &[kind],
        };
        assert!(sops.encrypt_for(&request, access, None).is_err());
        assert!(!log.take().is_empty(), "{kind:?} is allowed");
    }
}

/// Where the credentials are in files instead.
#[test]
fn a_token_in_the_home_directory_stays_there_unless_it_is_allowed() {
    let log = RequestLog::start();
    let world = bare_world();
    let text = SecretBox::new(Box::new(b"a: b\n".to_vec()));
    world.write_home(".vault-token", "hvs.victim");
    let sops = Sops::find(environment(&world, Vec::new()), None).expect("sops");
    let readers = Readers {
        groups: vec![vec![reader(KeyKind::Vault, log.port())]],
        threshold: None,
    };
    let request = request(Path::new("/a.yaml"), &text, &readers);
    for access in [
        Access::local(AllowedIdentities::None),
        Access::local(AllowedIdentities::Own),
    ] {
        assert!(sops.encrypt_for(&request, access, None).is_err());
        assert_eq!(log.take(), Vec::<String>::new());
    }
    let access = Access {
        keys: AllowedIdentities::None,
        kinds: &[KeyKind::Vault],
    };
    assert!(sops.encrypt_for(&request, access, None).is_err());
    let asked = log.take();
    assert!(asked[0].contains("hvs.victim"), "{asked:?}");
}
