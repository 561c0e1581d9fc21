//! kb's own re-encryption, and what the real sops says of its results.

mod damage;
mod fixtures;
mod generate;
mod generated;
pub(crate) mod spell;
mod spellings;

use std::path::Path;

use kb::core::data_key::{DataKey, Opener};
use kb::core::encrypted::Format;
use kb::core::encrypted::{OpenError, Recipients, Unsupported, Verified};
use kb::core::identity::{Identity, Recipient};
use testkit::{Run, World};

use crate::{bare_world, keypair};

/// sops, and the keys before and after.
struct Differential {
    world: World,
    old: String,
    old_recipient: String,
    new: String,
    new_recipient: String,
}

impl Differential {
    fn new() -> Self {
        let world = bare_world();
        let (old, old_recipient) = keypair(&world);
        Self::from(world, old, old_recipient)
    }

    fn from(world: World, old: String, old_recipient: String) -> Self {
        let (new, new_recipient) = keypair(&world);
        world.write("no-rules.yaml", "{}\n");
        Self {
            world,
            old,
            old_recipient,
            new,
            new_recipient,
        }
    }

    /// Encrypts a file with the real sops, where it lies.
    fn encrypt(&self, name: &str, content: &[u8], recipients: &str, options: &[&str]) -> Run {
        let path = self.world.path(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        std::fs::write(path, content).expect("write");
        let config = self.world.path("no-rules.yaml");
        let mut sops = self.world.tool_cmd("sops", ["--config"]);
        // It is an option of sops itself, not of the subcommand.
        let is_global = |option: &&&str| **option == "--mac-only-encrypted";
        sops.arg(config)
            .args(options.iter().filter(is_global))
            .args(["encrypt", "--age", recipients])
            .args(options.iter().filter(|option| !is_global(option)))
            .args(["--in-place", name]);
        self.world.run(sops)
    }

    /// Decrypts it with this key alone.
    fn decrypt(&self, name: &str, key: &str) -> Run {
        let mut sops = self.world.tool_cmd("sops", ["decrypt", name]);
        sops.env("SOPS_AGE_KEY", key);
        self.world.run(sops)
    }

    /// What kb makes of a file's content.
    fn reencrypted(&self, name: &str, content: &[u8]) -> Result<Vec<u8>, OpenError> {
        let identity: Identity = self.old.parse().expect("an identity");
        let opener = Opener::new([&identity]);
        let format = Format::of(Path::new(name));
        let (verified, _) = Verified::open(format, content, &opener)?;
        let recipient = |text: &str| text.parse::<Recipient>().expect("a recipient");
        let old = recipient(&self.old_recipient);
        let stay = verified.recipients().filter(|name| *name != old.as_str());
        // What is not a recipient would go with its entry, whatever it was before.
        let stay: Result<Vec<Recipient>, _> = stay.map(str::parse).collect();
        let mut recipients = stay.map_err(|_| OpenError::Unsupported(Unsupported::OtherKeys))?;
        recipients.push(recipient(&self.new_recipient));
        let key = DataKey::generate().expect("randomness");
        verified.reencrypted(&key, &Recipients(&recipients))
    }

    /// sops opens the result with the new key alone, to the same plaintext; its bytes
    /// are those from before, but for tokens and key material.
    #[track_caller]
    fn assert_reencrypted(&self, name: &str, before: &[u8], after: &[u8], plaintext: &Run) {
        let text = || String::from_utf8_lossy(after).into_owned();
        let result = format!("result/{name}");
        let path = self.world.path(&result);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        std::fs::write(path, after).expect("write");
        let opened = self.decrypt(&result, &self.new);
        opened.assert_code(0);
        // sops shows an encrypted comment that was moved as it stands in the file.
        let shown = |run: &Run| match String::from_utf8(run.stdout.clone()) {
            Ok(text) => blank(text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        assert_eq!(shown(&opened), shown(plaintext), "{}", text());
        let old = self.decrypt(&result, &self.old);
        assert_eq!(old.code, Some(128), "the old key opens it: {}", text());
        // Damage can have put a copy of the old one among the values, where it stays.
        let blank = |content: &[u8]| {
            let text = String::from_utf8(content.to_vec()).expect("text");
            let text = text.replace(&self.old_recipient, "RECIPIENT");
            blank(text.replace(&self.new_recipient, "RECIPIENT"))
        };
        assert_eq!(blank(before), blank(after));
    }
}

/// Without what a new data key changes.
fn blank(mut text: String) -> String {
    const LAST: &str = "-----END AGE ENCRYPTED FILE-----";
    for (start, end) in [("ENC[AES256_GCM,", "]"), ("-----BEGIN", LAST)] {
        while let Some(at) = text.find(start)
            && let Some(length) = text[at..].find(end)
        {
            text.replace_range(at..at + length + end.len(), "BLANK");
        }
    }
    text
}
