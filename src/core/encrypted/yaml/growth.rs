//! What it takes to read a text grows as the text does, whatever is in it; what would grow
//! faster is refused. Steps are counted, not time: they are the same on every machine.

use super::*;

/// Texts of one shape: the larger the number, the longer.
type Shape = (&'static str, fn(usize) -> String);

const N: usize = 100;

const MAC: &str = "ENC[AES256_GCM,data:YQ==,iv:aXY=,tag:dGFn,type:str]";

/// Texts of these shapes are read, however long they are.
const READ: [Shape; 25] = [
    ("documents", |n| "---\na: b\n".repeat(n)),
    ("empty documents", |n| "---\n".repeat(n)),
    ("documents with metadata", |n| {
        format!("---\na: {MAC}\nsops:\n  mac: {MAC}\n  age: [{{recipient: x, enc: y}}]\n").repeat(n)
    }),
    ("documents with anchors", |n| {
        "---\na: &a b\nc: *a\n".repeat(n)
    }),
    ("comments", |n| "# c\n".repeat(n) + "a: b\n"),
    ("comments between entries", |n| {
        many(n, |at| format!("# c\nk{at}: v\n"))
    }),
    ("comments in a list in brackets", |n| {
        format!("a: [\n{}]\n", "# ]\n b,\n".repeat(n))
    }),
    ("comments before a bracket", |n| {
        format!(
            "a: {}b\n{}{}\n",
            "[".repeat(100),
            "# ]\n".repeat(n),
            "]".repeat(100)
        )
    }),
    ("anchors and aliases", |n| {
        many(n, |at| format!("k{at}: &a{at} v\n")) + &many(n, |at| format!("l{at}: *a{at}\n"))
    }),
    ("keys", |n| many(n, |at| format!("k{at}: v\n"))),
    ("keys without values", |n| many(n, |at| format!("k{at}:\n"))),
    ("a list in brackets", |n| {
        format!("a: [{}]\n", "b, ".repeat(n))
    }),
    ("lists in brackets", |n| {
        format!("a: [{}]\n", "[], ".repeat(n))
    }),
    ("pairs in brackets", |n| {
        format!("a: [{}]\n", "b: c, ".repeat(n))
    }),
    ("a mapping in braces", |n| {
        format!("a: {{{}}}\n", many(n, |at| format!("k{at}: v, ")))
    }),
    ("keys in braces", |n| {
        format!("a: {{{}}}\n", many(n, |at| format!("k{at}, ")))
    }),
    ("blocks", |n| {
        many(n, |at| format!("k{at}: |\n  a\n\n  b\n"))
    }),
    ("folded texts", |n| {
        many(n, |at| format!("k{at}: >\n  a\n  b\n"))
    }),
    ("a long text", |n| format!("a: {}\n", "b".repeat(n))),
    ("space before a colon", |n| {
        many(n, |at| format!("k{at}    : \n"))
    }),
    ("escapes", |n| format!("a: \"{}\"\n", "\\u0061".repeat(n))),
    ("tags", |n| many(n, |at| format!("k{at}: !!str v\n"))),
    ("directives", |n| {
        "%TAG !e! tag:yaml.org,2002:\n---\na: !e!str b\n...\n".repeat(n)
    }),
    ("nested mappings", |n| {
        let levels: String = (1..100).map(|level| " ".repeat(level) + "a:\n").collect();
        many(n, |at| format!("k{at}:\n{levels}"))
    }),
    ("recipients", |n| {
        let entry = format!("  - recipient: {}\n    enc: {MAC}\n", "r".repeat(60));
        format!("a: {MAC}\nsops:\n  mac: {MAC}\n  age:\n{}", entry.repeat(n))
    }),
];

/// Texts of these shapes unfold to more than their length: long ones are refused.
const REFUSED: [Shape; 14] = [
    ("an alias of a list", |n| {
        format!("a: &a [{}]\nb: [{}]\n", "b,".repeat(n), "*a,".repeat(n))
    }),
    ("an alias of a long text", |n| {
        format!(
            "a: &a {}\nb: [{}]\n",
            "b".repeat(20 * n),
            "*a,".repeat(20 * n)
        )
    }),
    ("aliases of aliases", |n| {
        many(n, |at| {
            format!("a{}: &a{} [*a{at}, *a{at}]\n", at + 1, at + 1)
        })
        .replacen("*a0, *a0", "x", 1)
    }),
    ("the same in many documents", |n| {
        let bomb = "---\na: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n\
                    c: [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*b,*b,*b,*b,*b,*b,*b,*b]\n";
        bomb.repeat(n)
    }),
    ("a chain of merge keys", |n| {
        let link = |at| format!("m{at}: &a{}\n  <<: *a{at}\n  k{at}: v\n", at + 1);
        "a: &a0 {x: y}\n".to_owned() + &many(n, link)
    }),
    ("merge keys of a large mapping", |n| {
        format!(
            "a: &a {{{}}}\nb:\n{}",
            many(n, |at| format!("k{at}: v,")),
            "- <<: *a\n".repeat(n)
        )
    }),
    ("merge keys that are hidden", |n| {
        let keys = many(n, |at| format!("k{at}: v,"));
        format!("a: &a {{{keys}}}\nb:\n- {{<<: [{}]}}\n", "*a,".repeat(n))
    }),
    ("a list that is merged into itself", |n| {
        format!("a: {{<<: &a [*a{}]}}\n", ", *a".repeat(n))
    }),
    ("merged metadata", |n| {
        let link = |at| format!("m{at}: &a{}\n  <<: *a{at}\n  k{at}: v\n", at + 1);
        let metadata =
            format!("x: &a0 {{sops: {{age: [{{recipient: x, enc: y}}], mac: \"{MAC}\"}}}}\n");
        format!("{metadata}{}<<: *a{n}\n", many(n, link))
    }),
    ("a merge key in metadata", |n| {
        let link = |at| format!("m{at}: &a{}\n  <<: *a{at}\n  k{at}: v\n", at + 1);
        format!("x: &a0 {{age: []}}\n{}sops:\n  <<: *a{n}\n", many(n, link))
    }),
    ("a long key above many values", |n| {
        format!("? {}\n:\n{}", "k".repeat(20 * n), " - v\n".repeat(20 * n))
    }),
    ("many long keys above many values", |n| {
        let key = "k".repeat(900);
        let keys: String = (0..100)
            .map(|level| " ".repeat(level) + &key + ":\n")
            .collect();
        format!("{keys}{}", (" ".repeat(100) + "- v\n").repeat(n))
    }),
    ("many levels above many values", |n| {
        format!(
            "a: {}{}{}\n",
            "[".repeat(100),
            "1,".repeat(20 * n),
            "]".repeat(100)
        )
    }),
    ("aliases as keys", |n| {
        let entry = |at| format!("- {{*a : {at}}}\n");
        format!("a: &a {}\nb:\n{}", "b".repeat(20 * n), many(20 * n, entry))
    }),
];

fn many(n: usize, text: impl Fn(usize) -> String) -> String {
    (0..n).map(text).collect()
}

/// Whether a text was read, and the steps that it took: as plain data, and as the content
/// of an encrypted file.
fn read_both(text: &str) -> [(bool, u64); 2] {
    [0, 1].map(|reading| {
        let stream = match Stream::parse(text) {
            Ok(stream) => stream,
            Err(error) => panic!("{error:?}: {text:.100}"),
        };
        let read = match reading {
            0 => stream.values().map(drop),
            _ => contents(text, &stream, stream.all_doubts(), false).map(drop),
        };
        if let Err(error) = &read {
            assert_eq!(error.reason, YamlErrorKind::Repetition, "{text:.100}");
        }
        (read.is_ok(), stream.effort.spent())
    })
}

#[test]
fn what_it_takes_to_read_a_text_grows_as_the_text_does() {
    for (name, shape) in READ {
        let [small, large] = [N, 16 * N].map(|n| {
            let text = shape(n);
            read_both(&text).map(|(is_read, steps)| {
                assert!(is_read, "{name} {n}: refused");
                steps as f64 / text.len() as f64
            })
        });
        for (small, large) in small.into_iter().zip(large) {
            assert!(
                large <= 1.3 * small,
                "{name}: {small} steps for a byte, then {large}"
            );
            assert!(large < 40.0, "{name}: {large} steps for a byte");
        }
    }
}

#[test]
fn what_unfolds_to_far_more_than_its_length_is_refused() {
    for (name, shape) in REFUSED {
        let text = shape(16 * N);
        let both = read_both(&text);
        // Some are harmless to one of the readers.
        assert!(both.iter().any(|(is_read, _)| !is_read), "{name}: read");
        for (_, steps) in both {
            // It ends with the step that was too much.
            let most = 65 * text.len() as u64 + (13 << 20);
            assert!(steps <= most, "{name}: {steps} steps");
        }
    }
}
