//! Values of a Secret that tell no secret: settings, addresses, certificates, and texts in
//! which everything secret is still to be filled in. They count only where no rule says of
//! the file itself that it is to be encrypted, and are named all the same.

use std::net::IpAddr;

use super::template::FILLED_IN;
use crate::core::encrypted::inspect::{
    Inspected, Leaf, inspect_manifests, is_public_pem, is_sensitive, last_word,
};
use crate::core::identity::Recipient;
use crate::core::placeholder::is_placeholder;

/// The last word of names whose values are settings.
const SETTINGS: [&str; 32] = [
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
    "mountoptions",
    "name",
    "namespace",
    "options",
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
/// Those of them whose values have no colon: behind one there is a password.
const ACCOUNTS: [&str; 4] = ["email", "login", "user", "username"];
/// Words that a secret follows, besides those that names of secrets end with.
const BEFORE_SECRETS: [&str; 7] = [
    "auth",
    "authorization",
    "basic",
    "bearer",
    "masterauth",
    "sig",
    "signature",
];
/// The last word of other names whose values are secrets.
const OTHER_SECRETS: [&str; 6] = ["cookie", "jwt", "psk", "salt", "seed", "webhook"];
/// The same where they are joined to another word, as in `requirepass`.
const ENDS_OF_NAMES: [&str; 6] = ["apikey", "pass", "passwd", "password", "secret", "token"];
/// The last word of names whose values are words, if they tell no secret.
const WORDED: [&str; 4] = ["id", "path", "scope", "scopes"];
/// The last word of names whose values are addresses.
const LOCATIONS: [&str; 3] = ["endpoint", "uri", "url"];
/// Host names that mean nothing elsewhere (RFC 6762, RFC 6761 and ICANN).
const LOCAL: [&str; 3] = ["internal", "local", "localhost"];
/// Words with digits that are used in examples.
const EXAMPLE_WORDS: [&str; 4] = ["base32", "base64", "sha256", "sha512"];
/// What public keys of OpenSSH begin with.
const SSH_KEYS: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
/// What a certificate of PEM begins with in base64.
const PUBLIC_BASE64: &str = "LS0tLS1CRUdJTiBDRVJU";
/// Words that are not secrets.
const NOTHING: [&str; 5] = ["", "true", "false", "null", "~"];
/// So many characters of a word are looked at.
const LONGEST_WORD: usize = 256;
/// What encloses a part that is filled in later.
const PARTS: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("#{", "}#"), ("<", ">")];
/// A text as short as this, in bytes, is a setting if its name does not say otherwise.
const SHORT: usize = 5;
/// So many letters and digits in a row may be a token.
const TOKEN: usize = 20;

/// Whether the name says that the value is a setting, as in `admin-user`, and the value
/// does not say otherwise: databases are also called by a whole connection string.
pub(super) fn is_setting(name: &str, value: &str) -> bool {
    let word = last_word(name);
    let is_account = value.contains("://") && value.contains('@');
    let is_user = ACCOUNTS.contains(&&*word);
    SETTINGS.contains(&&*word)
        && !is_account
        && !value.contains('\n')
        && !assigns_secret(value)
        && !(is_user && (holds_pair(value) || !names_no_token(value)))
}

/// Whether the value of this name tells no secret as far as anyone can see.
pub(super) fn is_harmless(name: &str, value: &str) -> bool {
    let value = value.trim();
    // Slack's and others' addresses are secrets.
    let is_url = value.contains("://");
    is_setting(name, value) && (!is_url || names_no_token(value)) || is_open(name, value)
}

/// Whether the value tells no secret by what it is, and not by what it is called.
pub(super) fn is_open(name: &str, value: &str) -> bool {
    let value = value.trim();
    if is_public(value) {
        return true;
    }
    if is_sensitive(name) {
        return false;
    }
    let filled = filled(value);
    matches!(value, "true" | "false")
        || filled.contains(FILLED_IN)
            && !assigns_secret(&filled)
            && !holds_pair(&filled)
            && names_no_token(&filled)
}

/// Whether it is too short for a secret, where its name does not say that it is one.
pub(super) fn is_short(name: &str, value: &str) -> bool {
    (value.len() <= SHORT || value == "false") && !is_sensitive(name)
}

/// Whether a value that no rule is for tells no secret: an address without an account, or a
/// configuration in which nothing is called like a secret.
pub(super) fn is_unremarkable(name: &str, value: &str) -> bool {
    let value = value.trim();
    // The address of a hook is all that is needed to use it.
    let is_hook = value.contains("://") && value.to_lowercase().contains("hook");
    if is_hook || is_sensitive(name) || assigns_secret(value) || !names_no_token(value) {
        return false;
    }
    let is_word = |c: char| !c.is_whitespace() && !"@?,;=".contains(c);
    let is_location = LOCATIONS.contains(&&*last_word(name)) && value.contains(['.', '/']);
    is_of_words(value) && WORDED.contains(&&*last_word(name))
        // Addresses of hooks and of bots are secrets themselves.
        || is_of_words(value)
            && is_location
            && value.chars().all(|c| is_word(c) || "${:=}".contains(c))
        || is_local(value)
        || is_configuration(value)
}

/// Whether the value of this name is what a secret is called and not the secret itself, as in
/// `key: api-token`: words in small letters, the last one of a secret's name, or the name of
/// a label of Kubernetes. Passwords may be written so as well.
pub(super) fn is_name_of_secret(name: &str, value: &str) -> bool {
    const NAMED: [&str; 5] = ["credential", "credentials", "key", "secret", "token"];
    let value = value.strip_prefix('$').unwrap_or(value);
    let signs = ['-', '_', '.', ':', '/'];
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || signs.contains(&c);
    let is_name = value.chars().all(is_of_name) && value.contains(signs) && is_sensitive(value);
    NAMED.contains(&&*last_word(name)) && (is_name && names_no_token(value) || is_label(value))
}

/// Whether it is the name of a label of Kubernetes, as in `kubernetes.io/hostname`.
fn is_label(value: &str) -> bool {
    let (domain, label) = value.split_once('/').unwrap_or_default();
    let is_of_label = |c: char| c.is_ascii_lowercase() || "-./".contains(c);
    domain.contains('.') && !label.is_empty() && value.chars().all(is_of_label)
}

/// Whether it is the name of a host in a network of its own.
fn is_local(value: &str) -> bool {
    let is_of_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let last = value.rsplit('.').next();
    last.is_some_and(|last| LOCAL.contains(&last)) && value.chars().all(is_of_host)
}

/// Whether it is a text of YAML or JSON with keys, of which none is called like a secret.
fn is_configuration(value: &str) -> bool {
    if !value.contains('\n') && !value.starts_with('{') || holds_pair(value) {
        return false;
    }
    let documents = inspect_manifests(value).unwrap_or_default();
    let mut values = documents.iter().flat_map(|it| &it.values).peekable();
    let is_harmless = |leaf: &Leaf<'_>| {
        let key = leaf.keys.last();
        key.is_some_and(|key| {
            let tells_none = leaf.text.parse::<bool>().is_ok() || is_placeholder(&leaf.text);
            tells_none || !is_called_secret(key) && is_of_words(&leaf.text)
        })
    };
    values.peek().is_some()
        && values.all(is_harmless)
        && documents
            .iter()
            .all(|it| it.comments.is_empty() && !it.values.is_empty())
}

/// Whether it is an object of JSON in which every value is empty.
pub(super) fn is_empty(value: &str) -> bool {
    let value = value.trim();
    let is_json = value.starts_with('{');
    let documents = inspect_manifests(value).ok().filter(|_| is_json);
    documents.is_some_and(|all| {
        let has_nothing = |it: &Inspected<'_>| it.values.is_empty() && it.comments.is_empty();
        all.iter().all(has_nothing) && names_no_token(value)
    })
}

/// Whether it is made of words alone, as values in examples are: none with digits among its
/// letters, and none that is longer than words are or changes its case at random.
pub(super) fn is_of_words(value: &str) -> bool {
    const LONGEST: usize = 24;
    let mut words = value.split(|c: char| !c.is_alphanumeric());
    !value.contains("PRIVATE KEY")
        && words.all(|word| {
            let has = |is: fn(char) -> bool| word.chars().any(is);
            let is_mixed = has(char::is_numeric) && has(char::is_alphabetic);
            let cases: Vec<bool> = word.chars().map(char::is_uppercase).collect();
            let rises = cases.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            let is_known = EXAMPLE_WORDS.contains(&&*word.to_lowercase()) || is_measure(word);
            (is_known || !is_mixed || word.len() <= 3) && word.len() <= LONGEST && rises <= 2
        })
}

/// Whether it is a number with its unit, as in `720h`.
fn is_measure(word: &str) -> bool {
    const UNITS: [&str; 13] = [
        "d", "g", "gb", "gi", "h", "k", "m", "mb", "mi", "ms", "s", "t", "w",
    ];
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < word.len() && UNITS.contains(&&*unit.to_lowercase())
}

/// Whether a value of this name is a secret by it, or several are, as in `passwords`; keys in
/// the plural are public ones as often as not.
pub(super) fn is_called_secret(name: &str) -> bool {
    let last = last_word(name);
    let one = last.strip_suffix('s').filter(|_| last != "keys");
    let mut ends = ENDS_OF_NAMES.iter().filter(|end| **end != "pass");
    is_sensitive(name)
        || OTHER_SECRETS.contains(&&*last)
        || one.is_some_and(is_sensitive)
        || ends.any(|end| last.ends_with(end))
}

/// Whether a value of this name looks like a secret whatever it is called: it has a private
/// key in it, or a word of letters of both cases and digits; not an ID.
pub(super) fn looks_like_secret(name: &str, value: &str) -> bool {
    let is_token = |word: &str| {
        let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
        word.len() >= TOKEN
            && has(char::is_ascii_digit)
            && has(char::is_ascii_lowercase)
            && has(char::is_ascii_uppercase)
    };
    let is_public = value.starts_with(PUBLIC_BASE64) || is_public(value.trim());
    let mut words = value.split(|c: char| !c.is_ascii_alphanumeric());
    let has_token = last_word(name) != "id" && words.any(is_token);
    !is_public && (has_token || value.contains("PRIVATE KEY"))
}

/// Whether the value is of a form that no secret has: an address, a certificate, public
/// keys, or an empty object.
pub(super) fn is_public(value: &str) -> bool {
    let (address, length) = value.split_once('/').unwrap_or((value, "0"));
    let is_address = address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok();
    is_address || is_public_pem(value) || are_public_keys(value) || matches!(value, "{}" | "[]")
}

/// Whether each line is a public key, of OpenSSH or of age.
fn are_public_keys(text: &str) -> bool {
    let is_key = |line: &str| {
        let mut words = line.split_whitespace();
        let (kind, key) = (words.next().unwrap_or_default(), words.next());
        let is_ssh = SSH_KEYS.iter().any(|begin| kind.starts_with(begin))
            && key.is_some_and(|key| key.starts_with("AAAA"))
            && words.all(names_no_token);
        is_ssh || key.is_none() && kind.parse::<Recipient>().is_ok()
    };
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .peekable();
    lines.peek().is_some() && lines.all(is_key)
}

/// The text with a mark in the place of each part that is filled in.
fn filled(text: &str) -> String {
    let mut filled = text.to_owned();
    for (open, close) in PARTS {
        // Elements of XML are not placeholders.
        if open == "<" && (text.contains("</") || text.contains("/>")) {
            continue;
        }
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

/// Whether a word that a secret follows is followed in the text by something else than a
/// part that is filled in: `key: value`, `key=value`, `key value`, `<key>value`, a value in
/// the next line or in a list; and whether a URL has a password.
pub(super) fn assigns_secret(text: &str) -> bool {
    let is_end = |c: char| c.is_whitespace() || "\"',;&}".contains(c);
    let is_of_key = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let quotes = [' ', '\t', '"', '\''];
    let mut signs = text.match_indices([':', '=', '>', ' ', '\t']);
    let assigns = signs.any(|(at, sign)| {
        let is_space = sign.trim().is_empty();
        let key = match is_space {
            true => &text[..at],
            false => text[..at].trim_end_matches(quotes),
        };
        let key = key.rsplit(|c| !is_of_key(c)).next().unwrap_or_default();
        if !comes_before_secret(key) {
            return false;
        }
        let value = &text[at + sign.len()..];
        let value = match sign {
            ":" | ">" => {
                // In the next line, as a block or as the first item of a list.
                value.trim_start_matches(|c: char| c.is_whitespace() || "\"'-[|>".contains(c))
            }
            _ => value.trim_start_matches(quotes),
        };
        // Behind spaces the sign itself follows, or an option.
        let is_value = !value.starts_with(['=', ':', '-', '#', '{']);
        let word = value.chars().take(LONGEST_WORD).take_while(|c| !is_end(*c));
        let word: String = word.collect();
        // `kubectl create secret generic`, `the secrets for it`
        let is_noun = matches!(&*key.to_lowercase(), "secret" | "secrets");
        let is_prose = is_space && is_noun && word.chars().all(|c| c.is_ascii_lowercase());
        let is_selector = last_word(key) == "key" && is_label(&word);
        let is_nothing = is_prose
            || is_selector
            || word.ends_with(':')
            || NOTHING.contains(&&*word)
            || word == FILLED_IN;
        is_value && !is_nothing
    });
    let mut urls = text.split("://").skip(1);
    let has_password = urls.any(|rest| {
        let authority = rest.split(|c| is_end(c) || c == '/').next();
        let user = authority.and_then(|text| text.rsplit_once('@'));
        let password = user.and_then(|(user, _)| user.split_once(':'));
        password.is_some_and(|(_, password)| password != FILLED_IN)
    });
    assigns || has_password
}

/// Whether a secret follows a word of this kind, or several do.
fn comes_before_secret(word: &str) -> bool {
    let last = last_word(word);
    let one = last.strip_suffix('s').unwrap_or(&last);
    is_sensitive(word)
        || is_sensitive(one)
        || [last.as_str(), one].iter().any(|word| {
            BEFORE_SECRETS.contains(word) || ENDS_OF_NAMES.iter().any(|end| word.ends_with(end))
        })
}

/// Whether a line is `user:password`, as in the files of htpasswd and PostgreSQL, or the
/// text is; not one with a port, or with a URL.
fn holds_pair(text: &str) -> bool {
    let is_of_user = |c: char| c.is_alphanumeric() || "_-.@<>".contains(c);
    text.lines().map(str::trim).any(|line| {
        let parts = line.split_once(':').zip(line.rsplit_once(':'));
        parts.is_some_and(|((user, _), (_, last))| {
            let is_pair = !user.is_empty() && user.chars().all(is_of_user);
            let is_filled = last.is_empty() || last == FILLED_IN;
            let is_port = last.chars().all(|c| c.is_ascii_digit());
            let is_other = line.contains(char::is_whitespace) || line.contains("//");
            is_pair && !is_filled && !is_port && !is_other
        })
    })
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
    use crate::core::placeholder::repeats;

    #[test]
    fn a_secret_among_settings_and_parts_is_seen_however_it_is_written() {
        for (name, value) in [
            ("database", "host=db user=app password=hunter2"),
            ("db", "Server=db;User Id=sa;Password=hunter2"),
            ("server", "redis:6379,password=hunter2,ssl=True"),
            ("endpoint", "https://x.example/api?key=hunter2"),
            ("login", "admin:hunter2"),
            ("username", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            (
                "settings.xml",
                "<server><username>ci</username><password>hunter2</password></server>",
            ),
            ("settings.xml", "<a><password>hunter2</password>${X}</a>"),
            ("netrc", "machine ${HOST} login app password hunter2"),
            ("values.yaml", "host: ${HOST}\nadminPassword:\n  hunter2\n"),
            ("values.yaml", "host: ${HOST}\npasswords:\n- hunter2\n"),
            ("values.yaml", "host: ${HOST}\npassword: |\n  hunter2\n"),
            (
                "app.json",
                "{\"a\": \"${X}\", \"password\":\n  \"hunter2\"}",
            ),
            ("users", "${ADMIN}\nadmin:hunter2\n"),
            ("pgpass", "${HOST}:5432:db:app:hunter2"),
            ("args", "--host ${HOST} --password hunter2"),
            ("redis.conf", "bind ${IP}\nrequirepass hunter2\n"),
            ("headers", "Host: ${HOST}, Authorization: Bearer hunter2"),
            ("url", "https://${HOST}/x?sig=hunter2"),
            ("A", "10.0.0.1/hunter2"),
            (
                "ca.crt",
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\nhunter2\n",
            ),
        ] {
            assert!(!is_harmless(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("image", "nginx:1.25"),
            (
                "image",
                "ghcr.io/a/b@sha256:0123456789abcdef0123456789abcdef",
            ),
            ("server", "redis:6379"),
            (
                "host",
                "0123456789abcdef0123456789abcdef.gr7.eu.eks.amazonaws.com",
            ),
            ("a.conf", "listen ${IP}:80\npassword ${PASSWORD}\n"),
            (
                "values.yaml",
                "secret:\n  name: x\n  key: ${KEY}\nauth:\n  user: ${USER}\n",
            ),
            ("values.yaml", "tokens:\n- ${A}\n"),
        ] {
            assert!(is_harmless(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn without_a_rule_addresses_and_configurations_without_accounts_are_unremarkable() {
        for (name, value) in [
            ("url", "https://charts.example/x"),
            ("repo_url", "registry.example/charts"),
            ("url", "redis://cache.db.svc:6379/${INDEX:=0}"),
            ("TOKEN_URL", "https://id.example/api/oidc/token"),
            ("domain_a", "internal.localhost"),
            ("CLIENT_ID", "grafana"),
            ("scopes", "openid profile email"),
            (
                "a.yaml",
                "route:\n  receiver: \"null\"\nreceivers:\n- name: \"null\"\n",
            ),
            (
                "config",
                "{\n  \"tlsClientConfig\": {\"insecure\": false}\n}\n",
            ),
        ] {
            assert!(is_unremarkable(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("url", "https://app:hunter2@x.example"),
            ("url", "https://x.example/?code=hunter2"),
            ("url", "https://hooks.example/a1B2c3D4e5F6g7H8i9J0k1L2"),
            ("url", "hunter2"),
            ("CLIENT_ID", "hunter2"),
            ("CLIENT_SECRET", "grafana"),
            ("a", "openid profile"),
            ("a.yaml", "receivers:\n- password: hunter2\n"),
            ("a.yaml", "receivers:\n- api_key: hunter2\n"),
            ("a.yaml", "# password: hunter2\na: b\n"),
            ("users", "a\nadmin:hunter2\n"),
            ("a", "hunter2\nhunter3\n"),
            ("a", "b: c\n---\n- hunter2\n"),
        ] {
            assert!(!is_unremarkable(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn the_name_of_a_secret_is_not_the_secret() {
        for (name, value) in [
            ("key", "api-token"),
            ("githubSecret", "$webhook-secret:webhook.github.secret"),
            ("topologyKey", "kubernetes.io/hostname"),
        ] {
            assert!(is_name_of_secret(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("password", "api-token"),
            ("key", "hunter2"),
            ("key", "token"),
            ("token", "My-Token"),
            ("key", "a1b2c3d4e5f6a7b8c9d0e1-key"),
        ] {
            assert!(!is_name_of_secret(name, value), "{name}: {value}");
        }
    }

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
        assert!(repeats("stringData.garage_admin_token", "admintoken"));
        assert!(repeats("clientSecret", "clientsecret"));
        assert!(!repeats("clientSecret", "hunter2"));
        assert!(!repeats("a.key", "key"));
    }

    #[test]
    fn a_secret_without_a_rule_of_its_own_is_seen_by_its_name_or_its_form() {
        for (name, value) in [
            ("passwords", "hunter2"),
            ("bootstraptoken", "hunter2"),
            ("wifi.psk", "hunter2"),
        ] {
            assert!(is_called_secret(name), "{name}: {value}");
            assert!(!looks_like_secret(name, value), "{name}: {value}");
        }
        for name in [
            "authorized_keys",
            "bypass",
            "secretName",
            "clientID",
            "hosts",
        ] {
            assert!(!is_called_secret(name), "{name}");
        }
        for (name, value) in [
            ("a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            ("a", "https://x.example/hooks/a1B2c3D4e5F6g7H8i9J0k1L2"),
            ("a", "aGVsbG8gd29ybGQgdGhpcyBpcyBhIHNlY3JldA=="),
            ("a", "-----BEGIN RSA PRIVATE KEY-----\nMII\n"),
        ] {
            assert!(looks_like_secret(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("clientId", "Iv23abKdUQ34YPWnCfvu"),
            ("image", "x@sha256:0123456789abcdef0123456789abcdef"),
            ("caBundle", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM5"),
            ("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMgapzKxl5 a@b"),
        ] {
            assert!(!looks_like_secret(name, value), "{name}: {value}");
        }
        for (name, value) in [
            (
                "url",
                "https://hooks.slack.com/services/T0AB1/B0CD2/a1B2c3D4e5F6",
            ),
            ("url", "https://x.example/s3cr3tpath"),
            ("url", "https://chat.example/api/webhooks/123456/abcdef"),
            ("uri", "https://api.telegram.org/bot123456:AbC-d3f/send"),
            ("a.yaml", "a: b\npsk: hunter\n"),
            ("a.yaml", "a: b\nc: hunter2\n"),
            ("a.json", "{\"token\": 12345678}"),
        ] {
            assert!(!is_unremarkable(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("url", "https://charts.example.org/stable"),
            (
                "a.yaml",
                "retention: 720h\nhost: db.example.org\nport: 5432\n",
            ),
        ] {
            assert!(is_unremarkable(name, value), "{name}: {value}");
        }
    }
}
