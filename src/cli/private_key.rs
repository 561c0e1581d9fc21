//! Takes a private key from the person: from a pipe, or from a prompt that does
//! not show it. What is refused is never repeated.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

use super::failure::Failure;
use crate::cli::message::hints::import;
use crate::core::identity::{Identity, IdentityError, KeyFile};

/// More than any key file has, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Reads one identity from stdin, in the form that `age-keygen` writes.
///
/// # Errors
/// When it is not exactly one identity.
pub fn read() -> Result<Identity, Failure> {
    only_one(read_several()?)
}

/// Reads one or more identities from stdin.
///
/// # Errors
/// When a line is not an identity, or there is none.
pub fn read_several() -> Result<Vec<Identity>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // rpassword asks first and hides afterwards: what is typed in between
        // would be seen.
        let _hidden = EchoOff::new();
        let answer = rpassword::prompt_password("Private key (AGE-SECRET-KEY-1…, not shown): ");
        let answer = SecretString::from(answer.map_err(|error| unreadable(&error))?);
        return parse(answer.expose_secret().as_bytes());
    }
    // The buffer of the standard library's stdin is never freed, and so never wiped.
    let unbuffered = stdin.as_fd().try_clone_to_owned().map(File::from);
    let mut bytes = SecretBox::new(Box::<Vec<u8>>::default());
    let read = unbuffered.and_then(|stdin| {
        let mut limited = stdin.take(LONGEST + 1);
        limited.read_to_end(bytes.expose_secret_mut())
    });
    read.map_err(|error| unreadable(&error))?;
    parse(bytes.expose_secret())
}

/// The terminal does not show what is typed as long as this lives.
struct EchoOff(Option<Termios>);

impl EchoOff {
    fn new() -> Self {
        let stdin = rustix::stdio::stdin();
        let Ok(shown) = tcgetattr(stdin) else {
            return Self(None);
        };
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(stdin, OptionalActions::Now, &hidden);
        Self(Some(shown))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, shown);
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(format!("cannot read the private key from stdin: {error}"))
        .hint_command(HOW, import())
}

const HOW: &str = "pipe it in: pass show prod/age |";

fn parse(bytes: &[u8]) -> Result<Vec<Identity>, Failure> {
    if bytes.len() as u64 > LONGEST {
        return Err(
            Failure::new("stdin holds more than a key file does").hint_command(HOW, import())
        );
    }
    let file = KeyFile::parse_typed(bytes);
    if let Some((line, reason)) = file.bad_lines.first() {
        return Err(refused(*line, *reason));
    }
    match file.identities.is_empty() {
        true => Err(Failure::new("stdin holds no private key").hint_command(HOW, import())),
        false => Ok(file.identities),
    }
}

/// Why a line, or all of stdin, is not a private key, and how to get at the one that is meant.
fn refused(line: usize, reason: IdentityError) -> Failure {
    let failure = Failure::new(format!("stdin, line {line}: {reason}"));
    let purpose = match reason {
        IdentityError::Encrypted => "to decrypt it on the way: age -d KEY.age |",
        IdentityError::Base64 => "to decode it on the way: base64 -d KEYFILE |",
        IdentityError::Manifest => r"to read the key from a manifest: kubectl create --dry-run=client -f FILE -o jsonpath='{.data.age\.agekey}' | base64 -d |",
        IdentityError::PublicKey => return failure.hint("the private key is the line AGE-SECRET-KEY-1… that age-keygen printed together with it"),
        IdentityError::Ssh | IdentityError::Pgp | IdentityError::Plugin => "to give the cluster a new age key: age-keygen |",
        IdentityError::Damaged | IdentityError::Unknown | IdentityError::ByteOrderMark => return failure.hint_command(HOW, import()),
    };
    failure.hint_command(purpose, import())
}

fn only_one(mut identities: Vec<Identity>) -> Result<Identity, Failure> {
    match (identities.pop(), identities.len()) {
        (Some(identity), 0) => Ok(identity),
        (_, others) => Err(Failure::new(format!(
            "stdin holds {} private keys, and a cluster is given one",
            others + 1
        ))
        .hint("pipe in the line of the one that is meant")),
    }
}
