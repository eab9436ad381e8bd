//! JSON as text, its fields in their order: pretty for the examples, compact as it goes over the wire.

/// Without the spaces between tokens.
pub fn compact(json: &str) -> String {
    tokens(json).concat()
}

/// Two spaces of indent, as most editors have it.
pub fn pretty(json: &str) -> String {
    let tokens = tokens(json);
    let mut text = String::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).copied().unwrap_or("");
        let closes_next = matches!(next, "}" | "]");
        text.push_str(token);
        match *token {
            "{" | "[" if !closes_next => {
                depth += 1;
                new_line(&mut text, depth);
            }
            "," => new_line(&mut text, depth),
            ":" => text.push(' '),
            "{" | "[" => {}
            _ if closes_next => {
                depth -= 1;
                new_line(&mut text, depth);
            }
            _ => {}
        }
    }
    text + "\n"
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

fn tokens(json: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            '"' => text_length(rest),
            _ => rest
                .find(|c: char| c.is_whitespace() || ",]}:".contains(c))
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn text_length(json: &str) -> usize {
    let mut escaped = true;
    let end = json.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = !escaped && c == '\\' || json.is_empty();
        ends
    });
    end.map_or(json.len(), |end| end + 1)
}

#[test]
fn pretty_and_compact_are_of_the_same_value() {
    let wire = r#"{"a":[1,-2.5e3,{"b":"x, \"y\": \\"},[],{}],"c":null,"é":"{ }"}"#;
    assert_eq!(compact(&pretty(wire)), wire);
    assert_eq!(compact(" { \"a\" : [ 1 , 2 ] } \n"), r#"{"a":[1,2]}"#);
    assert_eq!(
        pretty(r#"{"a":[1,{}],"b":"c"}"#),
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"c\"\n}\n"
    );
}
