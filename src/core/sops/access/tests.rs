use super::*;

fn sops(variables: &[(&str, &str)], is_shim: bool) -> Sops {
    let variables = variables.iter();
    Sops {
        program: "sops".into(),
        environment: variables.map(|(k, v)| (k.into(), v.into())).collect(),
        config: None,
        is_shim,
    }
}

fn value(variables: &Variables, name: &str) -> Option<String> {
    let mut found = variables.iter().filter(|(known, _)| known == name);
    let value = found.next().map(|(_, value)| value.to_string_lossy());
    assert!(found.next().is_none(), "{name} is there twice");
    value.map(|value| value.into_owned())
}

/// Something of every kind.
const PERSONS: [(&str, &str); 22] = [
    ("PATH", "/bin"),
    ("LC_ALL", "C"),
    ("GOGC", "50"),
    ("HOME", "/home/me"),
    ("XDG_CONFIG_HOME", "/home/me/config"),
    ("SOPS_CONFIG", "/c.yaml"),
    ("SOPS_AGE_KEY_FILE", "/keys.txt"),
    ("SOPS_AGE_RECIPIENTS", "age1x"),
    ("SOPS_KEYSERVICE", "tcp://far:5000"),
    ("SOPS_DISABLE_VERSION_CHECK", "false"),
    ("GNUPGHOME", "/home/me/gpg"),
    ("GPG_TTY", "/dev/pts/1"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
    ("AWS_ENDPOINT_URL_KMS", "http://far"),
    ("GOOGLE_CREDENTIALS", "s"),
    ("AZURE_CLIENT_SECRET", "s"),
    ("VAULT_TOKEN", "s"),
    ("HUAWEICLOUD_SDK_SK", "s"),
    ("HTTPS_PROXY", "http://proxy"),
    ("no_proxy", "far"),
    ("SSL_CERT_FILE", "/ca.pem"),
    ("MY_PASSWORD", "s"),
];

#[test]
fn a_sops_that_may_use_age_alone_finds_nothing_else() {
    let identity = SecretString::from("AGE-SECRET-KEY-1X");
    let access = Access::age(AllowedIdentities::Cluster(&identity));
    let found = sops(&PERSONS, false).variables(access);
    let expected = [
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("GOGC", "50"),
        ("SOPS_CONFIG", "/c.yaml"),
        (KEY_VARIABLE, "AGE-SECRET-KEY-1X"),
        (ORDER, "age,pgp"),
        ("HOME", NOWHERE),
        ("XDG_CONFIG_HOME", NOWHERE),
    ];
    let off = SETTINGS.iter().flat_map(|it| it.off).copied();
    let fence = PROXIES.map(|name| (name, NO_ONE));
    let trust = TRUST.map(|name| (name, NOWHERE));
    let mut expected: Vec<(String, String)> = off
        .chain(expected)
        .chain(fence)
        .chain(trust)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut found: Vec<(String, String)> = found
        .into_iter()
        .map(|(k, v)| (k.to_string_lossy().into(), v.to_string_lossy().into()))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_kind_that_is_allowed_brings_its_settings_and_no_others() {
    let every: Vec<&str> = PERSONS.iter().map(|(name, _)| *name).collect();
    for settings in &SETTINGS {
        let access = Access {
            keys: AllowedIdentities::None,
            kinds: &[settings.kind],
        };
        let found = sops(&PERSONS, false).variables(access);
        for name in &every {
            let is_its = begins(name.as_ref(), settings.names);
            let others = SETTINGS.iter().filter(|it| it.kind != settings.kind);
            let is_others = others.into_iter().any(|it| begins(name.as_ref(), it.names));
            let persons = PERSONS.iter().find(|(known, _)| known == name);
            let is_passed = value(&found, name).as_deref() == persons.map(|it| it.1);
            assert!(!is_its || is_passed, "{:?} needs {name}", settings.kind);
            assert!(!is_others || !is_passed, "{:?} and {name}", settings.kind);
        }
        assert_eq!(value(&found, "HOME").as_deref(), Some("/home/me"));
        let is_far = settings.kind.is_on_a_server();
        let proxy = if is_far { "http://proxy" } else { NO_ONE };
        assert_eq!(value(&found, "HTTPS_PROXY").as_deref(), Some(proxy));
        assert_eq!(value(&found, "no_proxy").is_some(), is_far);
        for name in ["MY_PASSWORD", "SOPS_AGE_KEY_FILE", "SOPS_AGE_RECIPIENTS"] {
            assert_eq!(value(&found, name), None);
        }
    }
}

#[test]
fn a_persons_own_keys_bring_all_but_the_servers() {
    let access = Access::local(AllowedIdentities::Own);
    let found = sops(&PERSONS, false).variables(access);
    for (name, persons) in PERSONS {
        let is_server = SETTINGS
            .iter()
            .any(|it| it.kind.is_on_a_server() && begins(name.as_ref(), it.names));
        let is_never = name == VERSION_CHECK || RECIPIENTS.contains(&name);
        let expected = (!is_server && !is_never).then(|| persons.to_owned());
        assert_eq!(value(&found, name), expected, "{name}");
    }
    // Their key program gets what it gets in their shell.
    let more = [&PERSONS[..], &[("SOPS_AGE_KEY_CMD", "vault kv get x")]].concat();
    let found = sops(&more, false).variables(Access::age(AllowedIdentities::Own));
    assert_eq!(value(&found, "VAULT_TOKEN").as_deref(), Some("s"));
    assert_eq!(value(&found, "GNUPGHOME").as_deref(), Some("/home/me/gpg"));
    assert_eq!(value(&found, "VAULT_MAX_RETRIES"), None);
    let none = value(&found, "SOPS_HC_VAULT_ALLOWLIST");
    assert_eq!(none.as_deref(), Some("none"));
}

#[test]
fn keys_on_this_machine_are_tried_first() {
    assert_eq!(order(None), "age,pgp");
    assert_eq!(
        order(Some("kms,age,,kms,hc_vault".as_ref())),
        "age,pgp,kms,hc_vault"
    );
}

#[test]
fn a_version_manager_finds_the_real_sops() {
    let persons = [("HOME", "/home/me"), ("MISE_DATA_DIR", "/m"), ("X", "y")];
    let found = sops(&persons, true).variables(Access::age(AllowedIdentities::None));
    assert_eq!(value(&found, "HOME").as_deref(), Some("/home/me"));
    assert_eq!(value(&found, "MISE_DATA_DIR").as_deref(), Some("/m"));
    assert_eq!(value(&found, "X"), None);
    let directory = tempfile::Builder::new().tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("mise"), "\x7fELF").expect("write");
    std::fs::write(at("sops-3.13"), "\x7fELF").expect("write");
    std::fs::write(at("sops"), "#!/bin/sh\nexec asdf exec sops \"$@\"\n").expect("write");
    for (name, target) in [("a", "mise"), ("b", "sops-3.13")] {
        std::os::unix::fs::symlink(at(target), at(name)).expect("link");
    }
    assert!(is_shim(&at("a")) && is_shim(&at("sops")));
    assert!(!is_shim(&at("b")) && !is_shim(&at("nothing")));
}
