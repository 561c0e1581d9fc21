//! Values of a Secret that tell no secret: settings, addresses, certificates, and texts in
//! which everything secret is still to be filled in. They count only where no rule says of
//! the file itself that it is to be encrypted, and are named all the same.

use std::net::IpAddr;

use super::template::FILLED_IN;
use crate::core::encrypted::inspect::{is_sensitive, last_word};
use crate::core::placeholder::is_placeholder;

/// The last word of names whose values are settings.
const SETTINGS: [&str; 30] = [
    "address",
    "addr",
    "bucket",
    "cidr",
    "database",
    "db",
    "dbname",
    "domain",
    "email",
    "enabled",
    "endpoint",
    "host",
    "hostname",
    "image",
    "ip",
    "level",
    "login",
    "mode",
    "name",
    "namespace",
    "port",
    "provider",
    "region",
    "repository",
    "server",
    "timezone",
    "ttl",
    "type",
    "user",
    "username",
];
/// What encloses a part that is filled in later.
const PARTS: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("#{", "}#"), ("<", ">")];
/// Blocks of PEM that everybody may read.
const PUBLIC_BLOCKS: [&str; 3] = ["CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST"];
/// A text as short as this, in bytes, is a setting if its name does not say otherwise.
const SHORT: usize = 5;
/// So many letters and digits in a row may be a token.
const TOKEN: usize = 20;

/// Whether the name says that the value is a setting, as in `admin-user`.
pub(super) fn is_setting(name: &str, value: &str) -> bool {
    let is_account = value.contains("://") && value.contains('@');
    SETTINGS.contains(&&*last_word(name)) && !is_account && !value.contains('\n')
}

/// Whether the value of this name tells no secret as far as anyone can see.
pub(super) fn is_harmless(name: &str, value: &str) -> bool {
    let value = value.trim();
    // Slack's and others' addresses are secrets.
    let is_url = value.contains("://");
    if is_setting(name, value) && (!is_url || names_no_token(value)) || is_public(value) {
        return true;
    }
    if is_sensitive(name) {
        return false;
    }
    let filled = filled(value);
    matches!(value, "true" | "false")
        || filled.contains(FILLED_IN) && assigns_no_secret(&filled) && names_no_token(&filled)
}

/// Whether it is too short for a secret, where its name does not say that it is one.
pub(super) fn is_short(name: &str, value: &str) -> bool {
    (value.len() <= SHORT || value == "false") && !is_sensitive(name)
}

/// Whether the value is of a form that no secret has: an address, a certificate, an empty
/// object, or what its own name says, as an example has it.
fn is_public(value: &str) -> bool {
    let address = value.split_once('/').map_or(value, |(address, _)| address);
    address.parse::<IpAddr>().is_ok() || is_public_pem(value) || matches!(value, "{}" | "[]")
}

/// Whether it is only the name of the value once more, as in `access_key: accesskey`.
pub(super) fn repeats_name(name: &str, value: &str) -> bool {
    let fold = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_ascii_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let value = fold(value);
    value.len() >= 4 && fold(name).ends_with(&value)
}

fn is_public_pem(text: &str) -> bool {
    let mut blocks = text.match_indices("-----BEGIN ").map(|(at, begin)| {
        let label = &text[at + begin.len()..];
        label.split("-----").next().unwrap_or_default()
    });
    text.starts_with("-----BEGIN ") && blocks.all(|label| PUBLIC_BLOCKS.contains(&label))
}

/// The text with a mark in the place of each part that is filled in.
fn filled(text: &str) -> String {
    let mut filled = text.to_owned();
    for (open, close) in PARTS {
        let mut rest = filled.as_str();
        let mut done = String::with_capacity(rest.len());
        while let Some((before, behind)) = rest.split_once(open) {
            let Some((inner, behind)) = behind.split_once(close) else {
                break;
            };
            done.push_str(before);
            // A default is a value.
            let is_part = is_placeholder(&format!("{open}{inner}{close}"));
            match is_part {
                true => done.push_str(FILLED_IN),
                false => done.extend([open, inner, close]),
            }
            rest = behind;
        }
        done.push_str(rest);
        filled = done;
    }
    filled
}

/// Whether each assignment in the text, `key: value` or `key=value`, to a key that is
/// called like a secret is still to be filled in, and so is each password of a URL.
fn assigns_no_secret(text: &str) -> bool {
    let is_end = |c: char| c.is_whitespace() || "\"',;&}".contains(c);
    let is_of_key = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let mut signs = text.match_indices([':', '=']);
    let assigns = signs.any(|(at, sign)| {
        let key = text[..at].trim_end_matches([' ', '\t', '"', '\'']);
        let key = key.rsplit(|c| !is_of_key(c)).next().unwrap_or_default();
        let value = text[at + sign.len()..].trim_start_matches([' ', '\t', '"', '\'']);
        let value = value.split(is_end).next().unwrap_or_default();
        is_sensitive(key) && !value.is_empty() && value != FILLED_IN
    });
    let mut urls = text.split("://").skip(1);
    let has_password = urls.any(|rest| {
        let authority = rest.split(|c| is_end(c) || c == '/').next();
        let user = authority.and_then(|text| text.rsplit_once('@'));
        let password = user.and_then(|(user, _)| user.split_once(':'));
        password.is_some_and(|(_, password)| password != FILLED_IN)
    });
    !assigns && !has_password
}

/// Whether no word in the text looks like a token: long, with letters and digits.
fn names_no_token(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    !words.any(|word| {
        let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
        word.len() >= TOKEN && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_no_secret_is_known_by_its_name_or_its_form() {
        for (name, value) in [
            ("RESTIC_REPOSITORY", "s3:http://${HOST}/volsync/${APP}"),
            ("RESTIC_REPOSITORY", "${REPOSITORY}/app"),
            ("username", "admin"),
            ("SIDECAR_IMAGE", "ghcr.io/a/b:v1"),
            ("CLUSTER_CIDR", "10.0.0.0/16"),
            ("A", "fd00::1/64"),
            (
                "ca.crt",
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
            ),
            ("config.json", "{}\n"),
            ("LOG", "false"),
            (
                "url",
                "postgresql://${USER:=${APP}}@db:5432/${APP}?sslmode=verify-full",
            ),
            ("DATABASE_URL", "postgres://${USER}:${PASSWORD}@db/x"),
            (
                "s3.conf",
                "[global]\nkey=${KEY}\nkey-secret = \"${SECRET}\"\nregion=eu\n",
            ),
            (
                "values.yaml",
                "a:\n  clientSecret: ${SECRET}\n  clientID: oauth2-proxy\n",
            ),
        ] {
            assert!(is_harmless(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("password", "hunter2"),
            ("password", "a"),
            ("password", "${A}hunter2"),
            ("A", "hunter2"),
            ("A", "5432"),
            ("A", "${A:=hunter2}"),
            ("url", "postgres://app:hunter2@db/${APP}"),
            ("url", "postgres://${USER}:hunter2@db/x"),
            ("host", "postgres://app:hunter2@db"),
            (
                "address",
                "https://hooks.slack.com/services/T0/B0/a1B2c3D4e5F6g7H8i9J0k1L2",
            ),
            ("s3.conf", "[global]\nkey=${KEY}\nkey-secret = hunter2\n"),
            ("values.yaml", "user: ${USER}\npassword: \"hunter2\"\n"),
            (
                "config.json",
                "{\"user\":\"${USER}\",\"password\":\"hunter2\"}",
            ),
            (
                "config.json",
                "{\"user\":\"${USER}\",\"x\":\"a1B2c3D4e5F6g7H8i9J0k1L2\"}",
            ),
            (
                "tls.key",
                "-----BEGIN CERTIFICATE-----\nM\n-----BEGIN PRIVATE KEY-----\nM\n",
            ),
            ("tls.key", "-----BEGIN RSA PRIVATE KEY-----\nM\n"),
        ] {
            assert!(!is_harmless(name, value), "{name}: {value}");
        }
        assert!(repeats_name("stringData.garage_admin_token", "admintoken"));
        assert!(repeats_name("clientSecret", "clientsecret"));
        assert!(!repeats_name("clientSecret", "hunter2"));
        assert!(!repeats_name("a.key", "key"));
    }
}
