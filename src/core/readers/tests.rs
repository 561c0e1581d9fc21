use std::collections::BTreeMap;

use super::*;
use crate::core::identity::Recipient;

const A: &str = "age1qnaey0n40qcxfgazaa63v2ec50f2mhqnejch27r5rkj5mtpwge4shesgnr";
const B: &str = "age1pjry9dmuth406n803zxa5xkycc7xwjtvu70eyclenvv9s0098v5spyaend";
const C: &str = "age1fpg084v5wusksewgk5hm8d5448w9kfea43a7fu2wkcldem06hvpswukuvv";
const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzV";
const FINGERPRINT: &str = "85D77543B3D624B63CEA9E6DBC17301B491B3F21";
const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/5bdd2ac1";
const ROLE: &str = "arn:aws:iam::111122223333:role/sops";

fn age(text: &str) -> Reader {
    Reader::age(text)
}

fn kms(role: &str, profile: &str, context: &[(&str, &str)]) -> Reader {
    let context: BTreeMap<String, String> = context
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Reader::kms_entry(ARN, role, profile, context)
}

fn of(groups: Vec<Vec<Reader>>, threshold: Option<u64>) -> Readers {
    Readers { groups, threshold }
}

fn flat(readers: Vec<Reader>) -> Readers {
    of(vec![readers], None)
}

/// What a comparison says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Same,
    Different,
    Unclear,
}

fn answer(rule: &Readers, file: &Readers, held: &[Recipient]) -> Answer {
    let difference = rule.compare(file, held);
    match (difference.is_empty(), difference.is_certain()) {
        (true, _) => Answer::Same,
        (_, true) => Answer::Different,
        _ => Answer::Unclear,
    }
}

/// In each row: what is compared, the rule's readers, the file's, the answer.
#[test]
fn readers_are_the_same_in_whatever_spelling() {
    use Answer::{Different, Same, Unclear};
    let azure = "https://team.vault.azure.net/keys/sops";
    let vault = "https://vault.example.com:8200/v1/sops/keys/first";
    let gcp = "projects/p/locations/global/keyRings/r/cryptoKeys/k";
    let rows: Vec<(&str, Readers, Readers, Answer)> = vec![
        ("age", flat(vec![age(A)]), flat(vec![age(A)]), Same),
        (
            "age, trimmed",
            flat(vec![age(&format!(" {A} "))]),
            flat(vec![age(A)]),
            Same,
        ),
        (
            "another age key",
            flat(vec![age(A)]),
            flat(vec![age(B)]),
            Different,
        ),
        (
            "one too many",
            flat(vec![age(A)]),
            flat(vec![age(A), age(B)]),
            Different,
        ),
        (
            "one is missing",
            flat(vec![age(A), age(B)]),
            flat(vec![age(A)]),
            Different,
        ),
        (
            "order",
            flat(vec![age(A), age(B)]),
            flat(vec![age(B), age(A)]),
            Same,
        ),
        (
            "doubles",
            flat(vec![age(A), age(A)]),
            flat(vec![age(A)]),
            Same,
        ),
        (
            "doubles in the file",
            flat(vec![age(A)]),
            flat(vec![age(A), age(A)]),
            Same,
        ),
        ("no key at all", of(vec![], None), flat(vec![]), Same),
        (
            "ssh, other comment",
            flat(vec![age(&format!("{SSH} alice@laptop"))]),
            flat(vec![age(SSH)]),
            Same,
        ),
        (
            "ssh, another key",
            flat(vec![age(&format!("{SSH} alice"))]),
            flat(vec![age(&format!("{SSH}x alice"))]),
            Different,
        ),
        (
            "ssh, another type",
            flat(vec![age("ssh-rsa AAAAB3 alice")]),
            flat(vec![age("ssh-ed25519 AAAAB3 alice")]),
            Different,
        ),
        (
            "PGP, case and spaces",
            flat(vec![Reader::pgp(
                "85d7 7543 b3d6 24b6 3cea  9e6d bc17 301b 491b 3f21",
            )]),
            flat(vec![Reader::pgp(FINGERPRINT)]),
            Same,
        ),
        (
            "PGP with 0x",
            flat(vec![Reader::pgp(&format!("0x{FINGERPRINT}"))]),
            flat(vec![Reader::pgp(FINGERPRINT)]),
            Same,
        ),
        (
            "PGP, the end of it",
            flat(vec![Reader::pgp(&FINGERPRINT[24..])]),
            flat(vec![Reader::pgp(FINGERPRINT)]),
            Unclear,
        ),
        (
            "PGP, another one",
            flat(vec![Reader::pgp(
                "D7229043384BCC60326C6FB9D8720D957C3D3074",
            )]),
            flat(vec![Reader::pgp(FINGERPRINT)]),
            Different,
        ),
        (
            "PGP, unclear beside one too many",
            flat(vec![Reader::pgp(&FINGERPRINT[24..])]),
            flat(vec![Reader::pgp(FINGERPRINT), age(A)]),
            Different,
        ),
        (
            "KMS, role behind a plus",
            flat(vec![Reader::kms(&format!("{ARN}+{ROLE}"), "")]),
            flat(vec![kms(ROLE, "", &[])]),
            Same,
        ),
        (
            "KMS, another role",
            flat(vec![Reader::kms(ARN, "")]),
            flat(vec![kms(ROLE, "", &[])]),
            Different,
        ),
        (
            "KMS, another profile",
            flat(vec![Reader::kms(ARN, "prod")]),
            flat(vec![kms("", "dev", &[])]),
            Different,
        ),
        (
            "KMS, a context that the rule cannot say",
            flat(vec![Reader::kms(ARN, "")]),
            flat(vec![kms("", "", &[("app", "a")])]),
            Same,
        ),
        (
            "KMS, another context",
            flat(vec![kms("", "", &[("app", "a")])]),
            flat(vec![kms("", "", &[("app", "b")])]),
            Different,
        ),
        (
            "KMS, the context is gone",
            flat(vec![kms("", "", &[("app", "a")])]),
            flat(vec![kms("", "", &[])]),
            Different,
        ),
        (
            "Azure, no version in the rule",
            flat(vec![Reader::azure(azure)]),
            flat(vec![Reader::azure(&format!("{azure}/0123"))]),
            Same,
        ),
        (
            "Azure, another version",
            flat(vec![Reader::azure(&format!("{azure}/4567"))]),
            flat(vec![Reader::azure(&format!("{azure}/0123"))]),
            Different,
        ),
        (
            "Azure, URL and fields",
            flat(vec![Reader::azure(azure)]),
            flat(vec![Reader::azure_entry(
                "https://TEAM.vault.azure.net/",
                "sops",
                "0123",
            )]),
            Same,
        ),
        (
            "Vault, slash at the end",
            flat(vec![Reader::vault(&format!("{vault}/"))]),
            flat(vec![Reader::vault(vault)]),
            Same,
        ),
        (
            "Vault, host in capitals",
            flat(vec![Reader::vault(
                "HTTPS://Vault.Example.com:8200/v1/sops/keys/first",
            )]),
            flat(vec![Reader::vault(vault)]),
            Same,
        ),
        (
            "Vault, another server",
            flat(vec![Reader::vault(vault)]),
            flat(vec![Reader::vault(
                "https://evil.example.com:8200/v1/sops/keys/first",
            )]),
            Different,
        ),
        (
            "Vault, another engine",
            flat(vec![Reader::vault(vault)]),
            flat(vec![Reader::vault(
                "https://vault.example.com:8200/v1/transit/keys/first",
            )]),
            Different,
        ),
        (
            "GCP",
            flat(vec![Reader::gcp(&format!("{gcp} "))]),
            flat(vec![Reader::gcp(gcp)]),
            Same,
        ),
        (
            "HuaweiCloud",
            flat(vec![Reader::huawei("eu: 0123")]),
            flat(vec![Reader::huawei("eu:0123")]),
            Same,
        ),
        (
            "keys of two kinds",
            flat(vec![Reader::gcp(gcp)]),
            flat(vec![Reader::huawei("eu:0123")]),
            Different,
        ),
        (
            "groups by position",
            of(vec![vec![age(A)], vec![age(B)]], None),
            of(vec![vec![age(B)], vec![age(A)]], None),
            Different,
        ),
        (
            "as many groups, the same keys",
            of(vec![vec![age(A), age(C)], vec![age(B)]], Some(2)),
            of(vec![vec![age(C), age(A)], vec![age(B)]], None),
            Same,
        ),
        (
            "a key in two groups counts in each",
            of(vec![vec![age(A)], vec![age(B)]], None),
            of(vec![vec![age(A)], vec![age(A), age(B)]], None),
            Different,
        ),
        (
            "another threshold",
            of(vec![vec![age(A)], vec![age(B)], vec![age(C)]], Some(2)),
            of(vec![vec![age(A)], vec![age(B)], vec![age(C)]], Some(3)),
            Different,
        ),
        (
            "no threshold is all groups",
            of(vec![vec![age(A)], vec![age(B)], vec![age(C)]], None),
            of(vec![vec![age(A)], vec![age(B)], vec![age(C)]], Some(3)),
            Same,
        ),
        (
            "flat is one group, whatever the threshold",
            flat(vec![age(A)]),
            of(vec![vec![age(A)]], Some(1)),
            Same,
        ),
        (
            "one group instead of two",
            flat(vec![age(A), age(B)]),
            of(vec![vec![age(A)], vec![age(B)]], None),
            Different,
        ),
        (
            "an empty group more",
            flat(vec![age(A)]),
            of(vec![vec![age(A)], vec![]], None),
            Different,
        ),
        (
            "nonsense, which sops may read in any way",
            flat(vec![Reader::vault("nonsense")]),
            flat(vec![Reader::vault("nonsense")]),
            Different,
        ),
        (
            "nonsense of another kind",
            flat(vec![Reader::vault("nonsense")]),
            flat(vec![Reader::age("nonsense")]),
            Different,
        ),
    ];
    for (what, rule, file, expected) in rows {
        assert_eq!(answer(&rule, &file, &[]), expected, "{what}");
        assert_eq!(
            answer(&file, &rule, &[]),
            expected,
            "{what}, the other way round"
        );
    }
}

#[test]
fn keys_that_one_cluster_holds_count_as_the_same() {
    let key = |text: &str| text.parse::<Recipient>().expect("a recipient");
    let held = [key(A), key(B)];
    let rule = flat(vec![age(A)]);
    assert_eq!(answer(&rule, &flat(vec![age(B)]), &held), Answer::Same);
    assert_eq!(
        answer(&rule, &flat(vec![age(A), age(B)]), &held),
        Answer::Same
    );
    assert_eq!(answer(&rule, &flat(vec![age(C)]), &held), Answer::Different);
    let difference = rule.compare(&flat(vec![age(B), age(C)]), &held);
    assert_eq!(
        (difference.missing, difference.extra),
        (vec![], vec![age(C)])
    );
    // Of a rule that names neither, both are foreign.
    let difference = flat(vec![age(C)]).compare(&flat(vec![age(A), age(B)]), &held);
    assert_eq!(difference.extra, [age(A), age(B)]);
    assert_eq!(difference.missing, [age(C)]);
}

/// Who could not open a file, or not with so few others.
#[test]
fn newcomers_are_those_who_gain_a_file() {
    let group = |keys: &[&str]| keys.iter().map(|key| age(key)).collect::<Vec<_>>();
    let split = |groups: &[&[&str]], threshold| {
        of(groups.iter().map(|keys| group(keys)).collect(), threshold)
    };
    let held: Vec<Recipient> = [A].map(|key| key.parse().expect("a recipient")).into();
    let two = split(&[&[A], &[B], &[C]], Some(2));
    for (before, after, expected) in [
        (flat(group(&[A, B])), flat(group(&[B, A, A])), &[][..]),
        (flat(group(&[A])), flat(group(&[A, B])), &[B]),
        (Readers::default(), flat(group(&[A, B])), &[B]),
        (flat(group(&[B])), flat(group(&[A, B])), &[]),
        (two.clone(), two.clone(), &[]),
        (two.clone(), split(&[&[A], &[B], &[C]], None), &[]),
        (two.clone(), split(&[&[A], &[B], &[C]], Some(1)), &[B, C]),
        (two.clone(), flat(group(&[A, B])), &[B]),
        // One key in two groups opens a file alone.
        (
            two.clone(),
            split(&[&[A], &[B], &[B, C]], Some(2)),
            &[B, B, C],
        ),
        (flat(group(&[A, B])), split(&[&[A], &[B]], None), &[]),
    ] {
        let newcomers = before.newcomers(&after, &held);
        let found: Vec<String> = newcomers.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{before:?} {after:?}");
    }
    let (long, short) = (Reader::pgp(FINGERPRINT), Reader::pgp(&FINGERPRINT[24..]));
    let unclear = flat(vec![short]);
    assert_eq!(unclear.newcomers(&flat(vec![long.clone()]), &[]), [&long]);
}

#[test]
fn what_is_not_a_key_of_its_kind_is_unreadable() {
    for reader in [
        Reader::age("nonsense"),
        Reader::pgp(" "),
        Reader::pgp(&format!("{FINGERPRINT},{FINGERPRINT}")),
        Reader::kms("nonsense", ""),
        Reader::gcp("projects/p/keyRings/r"),
        Reader::huawei("0123"),
        Reader::azure("https://team.vault.azure.net/secrets/sops"),
        Reader::azure_entry("https://team.vault.azure.net", "", ""),
        Reader::vault("vault.example.com/v1/sops/keys/first"),
        Reader::vault("https://vault.example.com/prefix/v1/sops/keys/first"),
        Reader::vault("https://vault.example.com/v1/sops/first"),
    ] {
        assert!(matches!(reader, Reader::Unreadable { .. }), "{reader}");
    }
    // sops takes another word and version for these.
    for uri in ["https://v/v2/a/b/keys/k", "http://v:1/v1/sops/encrypt/k/"] {
        assert!(matches!(Reader::vault(uri), Reader::Vault { .. }), "{uri}");
    }
}
