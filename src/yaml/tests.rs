//! What is read, with its lines; and every way in which a file is refused.

use super::*;

fn one(text: &str) -> Node {
    let mut documents = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn refused(text: &str) -> (usize, YamlError) {
    parse(text.as_bytes()).expect_err(text)
}

#[test]
fn scalars_stay_as_they_are_written() {
    let node =
        one("\u{feff}a: 1.20\nb: yes\nc: '~'\nd: ~\ne:\nf: \"x\\ty\"\ng: 0x1F\nh: !!str null\n");
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    assert_eq!(text("a").as_deref(), Some("1.20"));
    assert_eq!(text("b").as_deref(), Some("yes"));
    assert_eq!(text("c").as_deref(), Some("~"));
    assert_eq!((text("d"), text("e"), text("none")), (None, None, None));
    assert_eq!(text("f").as_deref(), Some("x\ty"));
    assert_eq!(text("g").as_deref(), Some("0x1F"));
    assert_eq!(text("h").as_deref(), Some("null"));
}

#[test]
fn documents_and_lines_are_kept() {
    let documents = parse(b"# one\na: 1\n---\n---\nb:\n  - x\n  - {y: z}\n...\n").unwrap();
    assert_eq!(documents.len(), 2);
    let list = documents[1].get("b").unwrap();
    assert_eq!((documents[0].line, list.items()[0].line, list.items()[1].line), (2, 6, 7));
    let at = At::root(&documents[1]);
    let last = at.list_of("b").unwrap().remove(1).need("y").unwrap();
    assert_eq!((last.to_string().as_str(), last.line(), last.text()), ("b[1].y", 7, Ok("z")));
    assert_eq!(parse(b"").unwrap(), []);
    assert_eq!(one(r#"{"json": ["too", 1]}"#).get("json").unwrap().items().len(), 2);
}

#[test]
fn aliases_and_merge_keys_stand_for_what_they_name() {
    let node =
        one("x: &x {image: a, tag: 1}\ny:\n  <<: *x\n  tag: 2\nz:\n  <<: [{q: 1}, *x]\nw: *x\n");
    let y = node.get("y").unwrap();
    assert_eq!((y.text_of("image"), y.text_of("tag")), (Some("a"), Some("2")));
    let z = node.get("z").unwrap();
    assert_eq!((z.text_of("q"), z.text_of("tag")), (Some("1"), Some("1")));
    assert_eq!(node.get("w").unwrap().text_of("image"), Some("a"));
    assert_eq!(refused("a: {<<: 1}").1, YamlError::Merge);
    assert!(matches!(refused("a: *nobody").1, YamlError::Syntax(_)));
    assert!(matches!(refused("&a [*a]").1, YamlError::Syntax(_)));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    assert_eq!(refused("a: 1\nb: 2\na: 3\n"), (3, YamlError::Duplicate("a".to_owned())));
    assert_eq!(refused("? [a]\n: 1").1, YamlError::Key);
    assert_eq!(refused("a: !reset 1").1, YamlError::Tag("!reset".to_owned()));
    assert!(matches!(refused("a: !!binary eA==").1, YamlError::Tag(_)));
    assert!(matches!(refused("a: [1").1, YamlError::Syntax(_)));
    assert!(matches!(refused("a: b\n c: d: e\n"), (2, YamlError::Syntax(_))));
    assert_eq!(parse(b"a: 1\nb: \xff").unwrap_err(), (2, YamlError::NotText));
    let long = vec![b' '; MAX_YAML_SIZE as usize + 1];
    assert_eq!(parse(&long).unwrap_err(), (1, YamlError::TooLarge));
}

#[test]
fn what_grows_without_end_is_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..20 {
        let before = format!("*a{},", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{before}]\n");
    }
    assert_eq!(refused(&bomb).1, YamlError::TooMany);
    let text = "y".repeat(1024 * 1024);
    assert_eq!(refused(&format!("- &a {text}\n{}", "- *a\n".repeat(80))).1, YamlError::TooMany);
    assert!(refused(&"[".repeat(100_000)).0 == 1);
    let deep: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(refused(&deep).1, YamlError::TooDeep);
    assert_eq!(refused(&"- ".repeat(100)).1, YamlError::TooDeep);
    assert_eq!(refused(&"- x\n".repeat(MAX_NODES)).1, YamlError::TooMany);
    let nested: String = (0..60).map(|n| format!("{}a{n}: &b{n}\n", " ".repeat(n))).collect();
    let wide = format!("{nested}{}c: [{}]\n", " ".repeat(60), "x,".repeat(100_000));
    assert_eq!(refused(&wide).1, YamlError::TooMany);
}

#[test]
fn a_huge_scalar_is_no_trap() {
    let text = format!("a: {}\n", "x".repeat(15 * 1024 * 1024));
    assert_eq!(one(&text).text_of("a").unwrap().len(), 15 * 1024 * 1024);
    let folded = format!("a: >\n{}", "  x\n".repeat(500_000));
    assert_eq!(one(&folded).text_of("a").unwrap().len(), 1_000_000);
}

#[test]
fn a_wrong_shape_is_named_with_its_way() {
    let node = one("spec:\n  images:\n    - name: [x]\n  a.b: 1\n");
    let at = At::root(&node);
    let spec = at.need("spec").unwrap();
    let wrong = spec.list_of("images").unwrap()[0].need_text("name").unwrap_err();
    assert_eq!((wrong.line, wrong.path.as_str()), (3, "spec.images[0].name"));
    assert_eq!(spec.only(&["images"]).unwrap_err().path, "spec[\"a.b\"]");
    assert_eq!(at.need("kind").unwrap_err().path, "the document");
    assert!(spec.get("images").unwrap().unwrap().get("x").is_err());
    assert!(spec.entries_of("a.b").is_err() && at.list_of("spec").is_err());
    assert_eq!(spec.text_of("a.b").unwrap(), Some("1"));
}
