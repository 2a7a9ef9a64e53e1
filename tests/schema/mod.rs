//! Checks a value against a JSON schema: as much of the standard as our own schema uses. A keyword
//! that it does not know is an error, so that nothing goes unchecked.

use serde_json::Value;

/// What is wrong with a value, with the place of each error.
pub(crate) fn errors(schema: &Value, value: &Value) -> Vec<String> {
    errors_of(schema, schema, value)
}

/// The same by a part of a schema.
pub(crate) fn errors_of(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    Checker { root, errors: &mut errors }.check(schema, value, "$");
    errors
}

struct Checker<'a> {
    root: &'a Value,
    errors: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let rules = schema.as_object().expect("a schema is an object");
        for (keyword, rule) in rules {
            match keyword.as_str() {
                "$ref" => {
                    let name = rule.as_str().and_then(|it| it.strip_prefix("#/$defs/"));
                    let target = &self.root["$defs"][name.expect("it refers to a definition")];
                    self.check(target, value, at);
                }
                "type" => {
                    let fits = match rule {
                        Value::Array(rules) => rules.iter().any(|rule| is(value, rule)),
                        rule => is(value, rule),
                    };
                    self.demand(fits, at, || format!("{value} is not of type {rule}"));
                }
                "const" => self.demand(value == rule, at, || format!("{value} is not {rule}")),
                "enum" => {
                    let known = rule.as_array().expect("it is a list").contains(value);
                    self.demand(known, at, || format!("{value} is none of {rule}"));
                }
                "anyOf" => {
                    let schemas = rule.as_array().expect("it is a list");
                    let fits = |it: &Value| errors_of(self.root, it, value).is_empty();
                    self.demand(schemas.iter().any(fits), at, || format!("{value} fits nothing"));
                }
                "minimum" => {
                    let fits = value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap());
                    self.demand(fits, at, || format!("{value} is below {rule}"));
                }
                "minItems" => {
                    let least = rule.as_u64().unwrap() as usize;
                    let fits = value.as_array().is_none_or(|it| it.len() >= least);
                    self.demand(fits, at, || format!("fewer than {rule}"));
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}[{index}]"));
                    }
                }
                "required" => {
                    for name in rule.as_array().expect("it is a list") {
                        let there = value.get(name.as_str().unwrap()).is_some();
                        self.demand(there, at, || format!("there is no {name}"));
                    }
                }
                "properties" => {
                    for (name, rule) in rule.as_object().expect("it is an object") {
                        if let Some(value) = value.get(name) {
                            self.check(rule, value, &format!("{at}.{name}"));
                        }
                    }
                }
                "additionalProperties" => {
                    assert_eq!(rule, &Value::Bool(false));
                    for name in value.as_object().into_iter().flat_map(|it| it.keys()) {
                        let known = schema["properties"].get(name).is_some();
                        self.demand(known, at, || format!("{name} is not known"));
                    }
                }
                "$schema" | "$defs" | "title" | "description" => {}
                keyword => panic!("the keyword {keyword} is not known here"),
            }
        }
    }

    fn demand(&mut self, fits: bool, at: &str, error: impl FnOnce() -> String) {
        if !fits {
            self.errors.push(format!("{at}: {}", error()));
        }
    }
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type is a word") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("the type {kind} is not known here"),
    }
}
