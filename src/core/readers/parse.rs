//! The spellings of keys.

use std::collections::BTreeMap;

use super::{KeyKind, Reader};

impl Reader {
    /// A key of any kind, by the form of its text: an age recipient or an ssh key, an ARN
    /// of AWS, a resource id of GCP, the URL of a key in Azure or Vault, or a PGP
    /// fingerprint.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let reader = if text.starts_with("age1") || text.starts_with("ssh-") {
            Self::age(text)
        } else if text.starts_with("arn:") {
            Self::kms(text, "")
        } else if text.starts_with("projects/") {
            Self::Gcp(text.to_owned())
        } else if text.contains("://") && text.contains("/v1/") {
            Self::vault(text)
        } else if text.contains("://") {
            Self::azure(text)
        } else {
            let fingerprint = text.strip_prefix("PGP ").unwrap_or(text);
            let digits: String = fingerprint.split_whitespace().collect();
            let is_one = digits.len() >= 8 && digits.chars().all(|c| c.is_ascii_hexdigit());
            return is_one.then(|| Self::pgp(&digits));
        };
        (!matches!(reader, Self::Unreadable { .. })).then_some(reader)
    }

    /// An age recipient, as it stands in a rule or a file.
    pub fn age(text: &str) -> Self {
        let text = text.trim();
        match text.parse() {
            Ok(recipient) => Self::Age(recipient),
            Err(_) => Self::unreadable(KeyKind::Age, text),
        }
    }

    /// A PGP fingerprint. sops takes out spaces (`pgp/keysource.go`); its letters may be
    /// of either case.
    pub fn pgp(text: &str) -> Self {
        let text: String = text.split_whitespace().collect();
        let text = text.to_ascii_uppercase();
        let fingerprint = text.strip_prefix("0X").unwrap_or(&text);
        // In a key group no comma separates two of them.
        if fingerprint.is_empty() || fingerprint.contains(',') {
            return Self::unreadable(KeyKind::Pgp, &text);
        }
        Self::Pgp(fingerprint.to_owned())
    }

    /// A key of AWS KMS as a rule's `kms` names it: `ARN`, or `ARN+ROLE`
    /// (`kms/keysource.go`, `NewMasterKeyFromArn`). An encryption context is no part of it.
    pub fn kms(text: &str, profile: &str) -> Self {
        let text: String = text.split_whitespace().collect();
        let (arn, role) = match text.find("+arn:") {
            Some(at) if at > 0 => (&text[..at], &text[at + 1..]),
            _ => (text.as_str(), ""),
        };
        Self::of_kms(arn, role, profile, None)
    }

    /// A key of AWS KMS with fields of its own, in a key group or in a file.
    pub fn kms_entry(
        arn: &str,
        role: &str,
        profile: &str,
        context: BTreeMap<String, String>,
    ) -> Self {
        Self::of_kms(arn, role, profile, Some(context))
    }

    fn of_kms(
        arn: &str,
        role: &str,
        profile: &str,
        context: Option<BTreeMap<String, String>>,
    ) -> Self {
        let [arn, role] = [arn, role].map(|text| text.split_whitespace().collect::<String>());
        if !arn.starts_with("arn:") {
            return Self::unreadable(KeyKind::Kms, &arn);
        }
        Self::Kms {
            arn,
            role,
            profile: profile.to_owned(),
            context,
        }
    }

    /// A key of GCP KMS (`gcpkms/keysource.go`):
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    pub fn gcp(id: &str) -> Self {
        let id: String = id.split_whitespace().collect();
        let parts: Vec<&str> = id.split('/').collect();
        match parts.as_slice() {
            [
                "projects",
                p,
                "locations",
                l,
                "keyRings",
                r,
                "cryptoKeys",
                k,
            ] if [p, l, r, k].iter().all(|part| !part.is_empty()) => Self::Gcp(id),
            _ => Self::unreadable(KeyKind::GcpKms, &id),
        }
    }

    /// A key of HuaweiCloud KMS, `REGION:ID` (`hckms/keysource.go`).
    pub fn huawei(id: &str) -> Self {
        match id
            .split_once(':')
            .map(|(region, id)| (region.trim(), id.trim()))
        {
            Some((region, id)) if !region.is_empty() && !id.is_empty() => {
                Self::Huawei(format!("{region}:{id}"))
            }
            _ => Self::unreadable(KeyKind::HuaweiKms, id.trim()),
        }
    }

    /// A key of Azure Key Vault with fields of its own, in a key group or in a file; the
    /// version may be empty.
    pub fn azure_entry(vault: &str, name: &str, version: &str) -> Self {
        let [vault, name] = [vault.trim().trim_end_matches('/'), name.trim()];
        if vault.is_empty() || name.is_empty() {
            return Self::unreadable(KeyKind::AzureKeyVault, vault);
        }
        Self::Azure {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: version.trim().to_owned(),
        }
    }

    /// A key of Azure Key Vault by its URL, `https://VAULT/keys/NAME/VERSION`
    /// (`azkv/keysource.go`); the version may be left out.
    pub fn azure(url: &str) -> Self {
        let url = url.trim();
        let parsed = || {
            let (vault, rest) = url.split_once("/keys/")?;
            let (name, version) = rest.split_once('/').unwrap_or((rest, ""));
            let is_vault = vault
                .strip_prefix("https://")
                .is_some_and(|host| !host.is_empty() && !host.contains('/'));
            (is_vault && !name.is_empty() && !version.contains('/')).then(|| Self::Azure {
                vault: vault.to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
            })
        };
        parsed().unwrap_or_else(|| Self::unreadable(KeyKind::AzureKeyVault, url))
    }

    /// A transit key of HashiCorp Vault by its URI,
    /// `https://HOST:PORT/v1/ENGINE/keys/KEY` (`hcvault/keysource.go`).
    pub fn vault(uri: &str) -> Self {
        let uri = uri.trim();
        let parsed = || {
            let (scheme, rest) = uri.split_once("://")?;
            let (host, path) = rest.split_once('/')?;
            let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
            let [version, engine @ .., _, key] = parts.as_slice() else {
                return None;
            };
            let number = version.strip_prefix('v')?;
            let is_version = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            // Go joins the parts of the engine's path without empty ones.
            let engine: Vec<&str> = engine
                .iter()
                .copied()
                .filter(|part| !part.is_empty())
                .collect();
            let is_named = !scheme.is_empty() && !host.is_empty() && !key.is_empty();
            (is_version && is_named && !engine.is_empty()).then(|| Self::Vault {
                address: format!("{}://{host}", scheme.to_ascii_lowercase()),
                engine: engine.join("/"),
                key: (*key).to_owned(),
            })
        };
        parsed().unwrap_or_else(|| Self::unreadable(KeyKind::Vault, uri))
    }

    /// Something that is not a key of its kind.
    pub fn unreadable(kind: KeyKind, text: &str) -> Self {
        Self::Unreadable {
            kind,
            text: text.to_owned(),
        }
    }
}
