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

    /// The format whose metadata is in the bytes, as sops writes it, if it is plain to see.
    pub(super) fn by_content(bytes: &[u8]) -> Option<Self> {
        let has = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
        let has_line =
            |start: &str| bytes.starts_with(start.as_bytes()) || has(&format!("\n{start}"));
        if has_line("sops_mac=ENC[") {
            Some(Self::Dotenv)
        } else if has_line("[sops]") {
            Some(Self::Ini)
        } else if has_line("sops:") {
            Some(Self::Yaml)
        } else if has("\"sops\":") && !has("\"data\": \"ENC[") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// Whether bytes whose file's name tells no format may be YAML, JSON or ini.
    pub fn may_be_other_than_dotenv(bytes: &[u8]) -> bool {
        let shown = Self::by_content(bytes);
        bytes.trim_ascii_start().starts_with(b"{")
            || shown.is_some_and(|format| format != Self::Dotenv)
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
