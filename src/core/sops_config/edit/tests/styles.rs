//! Each style in which the recipients of a rule are written, with a second rule
//! behind it.

pub(super) const STYLES: [(&str, &str); 24] = [
    (
        "plain",
        "creation_rules:\n  - path_regex: a # why\n    age: OLD # ours\n\n  # the second\n  - path_regex: b\n    age: OTHER\n",
    ),
    (
        "quoted",
        "creation_rules:\n- age: 'OLD'\n  path_regex: a\n- age: \"OTHER\"\n",
    ),
    (
        "comma list with odd spaces",
        "creation_rules:\n  - path_regex: a\n    age: \"OTHER ,OLD ,  AGAIN\"\n  - path_regex: b\n",
    ),
    (
        "plain over several lines",
        "creation_rules:\n  - age: OTHER,\n      OLD,\n      AGAIN\n    path_regex: a\n  - path_regex: b\n",
    ),
    (
        "folded",
        "creation_rules:\n  - path_regex: a\n    age: >-   # folded\n      OTHER,\n      OLD\n\n  - path_regex: b\n",
    ),
    (
        "literal",
        "creation_rules:\n  - path_regex: a\n    age: |\n      OLD\n  - path_regex: b\n",
    ),
    (
        "list with comments",
        "creation_rules:\n  - path_regex: a\n    age:\n      # both\n      - OTHER # dev\n      - OLD   # prod\n    # end of a\n  - path_regex: b\n",
    ),
    (
        "list without indentation",
        "creation_rules:\n- path_regex: a\n  age:\n  - 'OLD'\n  - 'OTHER'\n- path_regex: b\n",
    ),
    (
        "flow list",
        "creation_rules:\n  - path_regex: a\n    age: [OTHER, \"OLD\"] # two\n  - path_regex: b\n",
    ),
    (
        "flow list over lines",
        "creation_rules:\n  - path_regex: a\n    age: [\n      OTHER, # dev\n      OLD, # prod\n    ]\n  - path_regex: b\n",
    ),
    (
        "key_groups",
        "creation_rules:\n  - path_regex: a\n    key_groups:\n      - age:\n          - OLD\n          - OTHER\n        pgp:\n          - FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n  - path_regex: b\n",
    ),
    (
        "two key groups",
        "creation_rules:\n  - path_regex: a\n    shamir_threshold: 2\n    key_groups:\n      - age: [OLD]\n      - age: [OTHER, OLD]\n  - path_regex: b\n",
    ),
    (
        "merged key groups",
        "creation_rules:\n  - path_regex: a\n    key_groups:\n      - merge:\n          - age: [OLD]\n        age: [OTHER]\n  - path_regex: b\n",
    ),
    (
        "anchor of a recipient",
        "keys:\n  - &prod OLD\n  - &dev OTHER\ncreation_rules:\n  - path_regex: a\n    key_groups:\n      - age:\n          - *prod\n          - *dev\n  - path_regex: b\n    age: *prod\n",
    ),
    (
        "anchor of a list",
        "keys: &all\n  - OLD\n  - OTHER\ncreation_rules:\n  - path_regex: a\n    age: *all\n  - path_regex: b\n    age: *all\n",
    ),
    (
        "merged mapping",
        "defaults: &d\n  encrypted_regex: ^data$\n  age: OLD\ncreation_rules:\n  - path_regex: a\n    <<: *d\n  - <<: [*d]\n    path_regex: b\n",
    ),
    (
        "anchor in a rule",
        "creation_rules:\n  - &base\n    path_regex: a\n    age: &key OLD\n  - <<: *base\n    path_regex: b\n  - path_regex: c\n    age: *key\n",
    ),
    (
        "destination_rules",
        "creation_rules:\n  - path_regex: a\n    age: OLD\n  - path_regex: b\ndestination_rules:\n  - s3_bucket: x\n    recreation_rule:\n      age: OTHER,OLD\n",
    ),
    (
        "json",
        "{\"creation_rules\": [{\"path_regex\": \"a\", \"age\": \"OLD\"}, {\"path_regex\": \"b\"}]}",
    ),
    (
        "json over lines",
        "{\n  \"creation_rules\": [\n    {\n      \"path_regex\": \"a\",\n      \"age\": [\n        \"OLD\"\n      ]\n    },\n    {\n      \"path_regex\": \"b\"\n    }\n  ]\n}\n",
    ),
    (
        "flow rules",
        "creation_rules: [{path_regex: a, age: OLD}, {path_regex: b}] # short\n",
    ),
    (
        "CRLF",
        "creation_rules:\r\n  - path_regex: a\r\n    age:\r\n      - OLD # ours\r\n\r\n  - path_regex: b\r\n",
    ),
    (
        "byte order mark, no final line end",
        "\u{feff}creation_rules:\n  - path_regex: a\n    age: OLD\n  - path_regex: b",
    ),
    (
        "dash alone",
        "---\ncreation_rules:\n  -   # first\n    path_regex: a\n    age: OLD\n  -\n    path_regex: b\n...\n",
    ),
];
