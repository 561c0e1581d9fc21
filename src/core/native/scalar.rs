//! What a value that is not encrypted goes into the MAC as.
//!
//! sops 3.13 hashes what its parsers made of it (`sops.go`, `ToBytes`), so a number
//! counts by its value. What is not plainly one thing or another is left to sops; if
//! kb is wrong, the MAC does not match, and sops has the last word as well.

use std::borrow::Cow;

use super::Outside;
use super::contents::Scalar;

/// A scalar without quotes, as go-yaml 3 resolves it (`resolve.go`).
///
/// # Errors
/// [`Outside::Construct`] for numbers in other bases, dates, and the like.
pub(super) fn of_plain_yaml(text: Cow<'_, str>) -> Result<Scalar<'_>, Outside> {
    let scalar = match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Other(TRUE.to_owned()),
        "false" | "False" | "FALSE" => Scalar::Other(FALSE.to_owned()),
        "<<" => return Err(Outside::Construct),
        number if number.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            return match numeric(number) {
                Numeric::Value(value) => Ok(Scalar::Other(value)),
                Numeric::Unclear => Err(Outside::Construct),
                Numeric::None => Ok(Scalar::Text(text)),
            };
        }
        _ => Scalar::Text(text),
    };
    Ok(scalar)
}

/// A scalar that is tagged as a floating-point number.
///
/// # Errors
/// [`Outside::Construct`] where it is not written in decimal digits.
pub(super) fn of_tagged_float(text: &str) -> Result<Scalar<'static>, Outside> {
    match numeric(text) {
        Numeric::Value(_) => Ok(Scalar::Other(float(text).ok_or(Outside::Construct)?)),
        Numeric::Unclear | Numeric::None => Err(Outside::Construct),
    }
}

/// A value of JSON that is no text.
///
/// # Errors
/// [`Outside::Construct`] for a number that is too large.
pub(super) fn of_bare_json(text: &str) -> Result<Scalar<'static>, Outside> {
    let scalar = match text {
        "null" => Scalar::Null,
        "true" => Scalar::Other(TRUE.to_owned()),
        "false" => Scalar::Other(FALSE.to_owned()),
        number => match number.parse::<i64>() {
            Ok(integer) => Scalar::Other(integer.to_string()),
            Err(_) => Scalar::Other(float(number).ok_or(Outside::Construct)?),
        },
    };
    Ok(scalar)
}

const TRUE: &str = "True";
const FALSE: &str = "False";

enum Numeric {
    Value(String),
    /// It may be a number, or a time.
    Unclear,
    None,
}

/// What begins like a number.
fn numeric(text: &str) -> Numeric {
    let only = |allowed: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || allowed.contains(c))
    };
    let digits = text.trim_start_matches(['+', '-']);
    let other_base = ["0x", "0X", "0o", "0O", "0b", "0B"];
    let is_word = [".inf", ".nan"].contains(&&*digits.to_ascii_lowercase());
    let is_octal = digits.starts_with('0') && digits.len() > 1 && only("+-_");
    let year = text.bytes().take_while(u8::is_ascii_digit).count();
    if year == 4 && text[year..].starts_with('-') && only("-+: tTzZ.") {
        return time(text).map_or(Numeric::Unclear, Numeric::Value);
    }
    let is_grouped = text.contains('_') && only("+-._eE");
    let has_base = other_base.iter().any(|base| digits.starts_with(base));
    if is_word || is_octal || is_grouped || has_base {
        return Numeric::Unclear;
    }
    match text.parse::<i64>() {
        Ok(integer) => Numeric::Value(integer.to_string()),
        // Larger than sops takes.
        Err(_) if !digits.is_empty() && only("+-") => Numeric::Unclear,
        Err(_) if only("+-.eE") => float(text).map_or(Numeric::None, Numeric::Value),
        Err(_) => Numeric::None,
    }
}

/// A time, or the start of a day.
fn time(text: &str) -> Option<String> {
    let is_day = text.len() == "2026-11-22".len();
    let time = format!("{text}{}", if is_day { "T00:00:00Z" } else { "" });
    is_time(&time, true).then_some(time)
}

/// Whether it is a time as Go writes it (RFC 3339), with a fraction of a second or
/// without.
pub(super) fn is_time(text: &str, with_fraction: bool) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let zone = rest.trim_start_matches(['.', '0']);
    let fraction = &rest[..rest.len() - zone.len()];
    let is_fraction = fraction.starts_with('.')
        && (2..=10).contains(&fraction.len())
        && !fraction[1..].contains('.')
        && !text[..text.len() - zone.len()].ends_with('0');
    // Go has no leap seconds, and writes Z for no offset.
    (fraction.is_empty() || with_fraction && is_fraction)
        && matches!(zone, "Z" | "+00:00" | "-00:00")
        && !text.ends_with("+00:00")
        && !text.ends_with("-00:00")
        && &text[17..19] != "60"
        && (zone == "Z" || text[text.len() - 5..] < *"24:00" && text[text.len() - 2..] < *"60")
        && text.parse::<jiff::Timestamp>().is_ok()
}

/// A floating-point number, in as many digits as it needs, without an exponent.
fn float(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(scalar: Result<Scalar<'_>, Outside>) -> String {
        match scalar {
            Ok(Scalar::Null) => "null".to_owned(),
            Ok(Scalar::Text(text)) => format!("text {text}"),
            Ok(Scalar::Other(value)) => value,
            Err(_) => "unclear".to_owned(),
        }
    }

    /// What go-yaml 3.0.4 and strconv make of them.
    #[test]
    fn plain_scalars_go_into_the_mac_as_go_yaml_reads_them() {
        let yaml = |text: &str| hashed(of_plain_yaml(text.to_owned().into()));
        for (text, expected) in [
            ("~", "null"),
            ("True", "True"),
            ("yes", "text yes"),
            ("7", "7"),
            ("+7", "7"),
            ("-0", "0"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.5e-7", "0.00000015"),
            ("10.0.0.1", "text 10.0.0.1"),
            ("3.9.4-rc1", "text 3.9.4-rc1"),
            ("-", "text -"),
            ("...", "text ..."),
            ("--flag", "text --flag"),
            ("1Gi", "text 1Gi"),
            ("007", "unclear"),
            ("0x1f", "unclear"),
            ("1_000", "unclear"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22T10:00:00+01:00", "2026-11-22T10:00:00+01:00"),
            ("2026-11-22 10:00", "unclear"),
            ("2026-99-22", "unclear"),
            ("18446744073709551615", "unclear"),
            (".inf", "unclear"),
            ("1e999", "text 1e999"),
            ("2026-abc", "text 2026-abc"),
            ("555-1234", "unclear"),
        ] {
            assert_eq!(yaml(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_go_writes_is_a_time() {
        for (text, plain, with_fraction) in [
            ("2026-11-22T10:00:00Z", true, true),
            ("2026-11-22T10:00:00+01:30", true, true),
            ("2026-11-22T10:00:00.5Z", false, true),
            ("2026-11-22T10:00:00.123456789-07:00", false, true),
            ("2026-11-22T10:00:00.50Z", false, false),
            ("2026-11-22T10:00:00.Z", false, false),
            ("2026-11-22T10:00:00.1.2Z", false, false),
            ("2026-11-22T10:00:00+00:00", false, false),
            ("2026-11-22T10:00:00+24:00", false, false),
            ("2026-11-22T10:00:00+01:60", false, false),
            ("2026-11-22T10:00:60Z", false, false),
            ("2026-11-22 10:00:00Z", false, false),
            ("2026-11-22t10:00:00z", false, false),
            ("2026-11-22T10:00:00+01", false, false),
            ("2026-13-22T10:00:00Z", false, false),
            ("2026-11-22T10:00:00Zé", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_time(text, false), plain, "{text}");
            assert_eq!(is_time(text, true), with_fraction, "{text}");
        }
    }

    #[test]
    fn numbers_of_json_go_into_the_mac_by_their_value() {
        let json = |text| hashed(of_bare_json(text));
        for (text, expected) in [
            ("9007199254740993", "9007199254740993"),
            ("1.0", "1"),
            ("-0", "0"),
            ("-0.0", "-0"),
            ("1E2", "100"),
            ("1e999", "unclear"),
            ("null", "null"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }
}
