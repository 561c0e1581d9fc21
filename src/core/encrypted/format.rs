//! Which format a file has.

use std::path::Path;

use memchr::memmem;

/// The formats that sops tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.json`
    Json,
    /// `.env`
    Dotenv,
    /// `.ini`
    Ini,
    /// Anything else: the encrypted form is JSON with one value.
    Binary,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Yaml,
        Self::Json,
        Self::Dotenv,
        Self::Ini,
        Self::Binary,
    ];

    /// The format that an encrypted file has: what its metadata shows, and where that
    /// tells nothing, what its name says. sops can be told another format than the name's
    /// (`--input-type`), and Flux takes `envs` of any ending for dotenv.
    pub fn of_encrypted(path: &Path, bytes: &[u8]) -> Self {
        let by_name = Self::of(path);
        let has = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
        match by_name {
            Self::Binary if has("\nsops_mac=ENC[") || bytes.starts_with(b"sops_mac=ENC[") => {
                Self::Dotenv
            }
            Self::Binary if has("\n[sops]") => Self::Ini,
            Self::Binary if has("\nsops:") => Self::Yaml,
            Self::Binary if has("\"sops\":") && !has("\"data\": \"ENC[") => Self::Json,
            by_name => by_name,
        }
    }

    /// The format that sops takes a file of this name for.
    pub fn of(path: &Path) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        let ends = |ending: &str| name.ends_with(ending.as_bytes());
        if ends(".yaml") || ends(".yml") {
            Self::Yaml
        } else if ends(".json") {
            Self::Json
        } else if ends(".env") {
            Self::Dotenv
        } else if ends(".ini") {
            Self::Ini
        } else {
            Self::Binary
        }
    }

    /// What sops calls it, for `--input-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }
}
