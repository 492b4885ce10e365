use super::*;

fn registry(prefix: &str) -> Base {
    Base::Registry { host: "site:5000".to_owned(), prefix: prefix.to_owned() }
}

fn prefixes(rules: &[&str]) -> Vec<Rule> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

fn mapped(mapping: &Mapping, name: &str) -> String {
    mapping.map(&name.parse().unwrap()).unwrap().target.to_string()
}

fn target(base: Base, rules: &[&str], name: &str) -> String {
    mapped(&Mapping::new(base, prefixes(rules)), name)
}

#[test]
fn hosts_fall_away_and_prefixes_come_on() {
    assert_eq!(target(registry(""), &[], "busybox:1"), "site:5000/library/busybox:1");
    assert_eq!(target(registry("a/b"), &[], "quay.io/x/y:1"), "site:5000/a/b/x/y:1");
    assert_eq!(target(Base::Layout, &[], "quay.io/x/y:1"), "quay.io/x/y:1");
}

#[test]
fn the_longest_rule_counts_at_component_borders() {
    let rules = ["quay.io=q", "quay.io/x=short/", "docker.io/library/busybox=tools/box"];
    assert_eq!(target(registry("p"), &rules, "quay.io/x/y:1"), "site:5000/p/short/y:1");
    assert_eq!(target(registry("p"), &rules, "quay.io/xx/y:1"), "site:5000/p/q/xx/y:1");
    assert_eq!(target(registry(""), &rules, "busybox:1"), "site:5000/tools/box:1");
    assert_eq!(target(registry(""), &rules, "busyboxes:1"), "site:5000/library/busyboxes:1");
    assert_eq!(target(Base::Layout, &["quay.io=ghcr.io/m"], "quay.io/x:1"), "ghcr.io/m/x:1");
    assert_eq!(target(registry(""), &["quay.io=a", "quay.io=b"], "quay.io/x:1"), "site:5000/a/x:1");
}

#[test]
fn expressions_come_before_prefixes_and_fit_whole_names() {
    let mut rules = prefixes(&["quay.io/team-a/app=exact"]);
    rules.push(Rule::parse_pattern(r"quay\.io/team-([a-z]+)/(.*)=teams/$1/x${2}").unwrap());
    rules.push(Rule::parse_pattern(r"quay\.io/(?P<rest>.*)=all/${rest}").unwrap());
    let mapping = Mapping::new(registry("p"), rules);
    assert_eq!(mapped(&mapping, "quay.io/team-a/app:1"), "site:5000/p/teams/a/xapp:1");
    assert_eq!(mapped(&mapping, "quay.io/other/app:1"), "site:5000/p/all/other/app:1");
    // Neither in the middle of a name nor on its tag.
    assert_eq!(mapped(&mapping, "my.quay.io/a:1"), "site:5000/p/a:1");
    let part = Rule::parse_pattern("a|b=c").unwrap();
    assert_eq!(mapped(&Mapping::new(registry(""), vec![part]), "a.io/b:1"), "site:5000/b:1");
    let found = mapping.map(&"quay.io/other/app:1".parse().unwrap()).unwrap();
    assert_eq!(found.rule, r"quay\.io/(?P<rest>.*)=all/${rest}");
}

#[test]
fn hosts_are_kept_where_no_rule_fits() {
    let mapping = Mapping::new(registry("m"), prefixes(&["quay.io=q"])).keeping_hosts(true);
    assert_eq!(mapped(&mapping, "busybox:1"), "site:5000/m/docker.io/library/busybox:1");
    assert_eq!(mapped(&mapping, "a.example:5000/x:1"), "site:5000/m/a.example-5000/x:1");
    assert_eq!(mapped(&mapping, "quay.io/x:1"), "site:5000/m/q/x:1");
    let upper = mapping.map(&"Host.example/x:1".parse().unwrap()).unwrap_err();
    assert!(matches!(&upper, InvalidMapping::Name { rule, .. } if rule == "--keep-host"));
}

#[test]
fn tags_get_something_around_them() {
    let affix = |prefix: &str, suffix: &str| Affix { prefix: prefix.into(), suffix: suffix.into() };
    let rule: Rule = "quay.io=q".parse().unwrap();
    let mapping = Mapping::new(registry(""), vec![rule.with_affix(Some(affix("v", "")))]);
    let mapping = mapping.with_affix(affix("", "-site1"));
    assert_eq!(mapped(&mapping, "busybox:1"), "site:5000/library/busybox:1-site1");
    // A rule's word on tags counts alone.
    assert_eq!(mapped(&mapping, "quay.io/x:1"), "site:5000/q/x:v1");
    let pinned = format!("quay.io/x@{}", crate::oci::Digest::of(b""));
    assert_eq!(mapped(&mapping, &pinned), pinned.replace("quay.io", "site:5000/q"));
    let long = format!("busybox:{}", "x".repeat(123));
    let refused = mapping.map(&long.parse().unwrap()).unwrap_err();
    assert!(matches!(refused, InvalidMapping::Name { error, .. } if error.what == "tag"));
}

#[test]
fn names_that_come_out_wrong_are_refused_with_their_rule() {
    let long = format!("quay.io/x={}", "a/".repeat(120) + "a");
    for rule in ["quay.io/x=UP", "quay.io/x=a//b", "quay.io/x=../b", "quay.io/x=a:1", &long] {
        let mapping = Mapping::new(registry("some/prefix"), prefixes(&[rule]));
        let refused = mapping.map(&"quay.io/x/y:1".parse().unwrap()).unwrap_err();
        assert!(matches!(&refused, InvalidMapping::Name { rule: by, .. } if by == rule), "{rule}");
        assert!(refused.to_string().contains("quay.io/x="), "{refused}");
    }
    let empty = Mapping::new(registry(""), prefixes(&["quay.io/x="]));
    assert!(empty.map(&"quay.io/x:1".parse().unwrap()).is_err());
}

#[test]
fn what_is_no_rule_is_refused() {
    for text in ["x", "=x", "/=x", ""] {
        assert!(matches!(text.parse::<Rule>(), Err(InvalidMapping::Rule(_))), "{text}");
    }
    for text in ["x", "=x"] {
        assert!(matches!(Rule::parse_pattern(text), Err(InvalidMapping::Rule(_))), "{text}");
    }
    let long = "a".repeat(1025) + "=b";
    for text in ["(=b", "a)(b=c", r"\p{L}{1000}{1000}=b", "[=b", &long] {
        let refused = Rule::parse_pattern(text);
        assert!(matches!(refused, Err(InvalidMapping::Pattern { .. })), "{text}");
    }
    for (text, name) in [("a=$1", "1"), ("(a)=$2", "2"), ("(a)=${x}", "x"), ("(a)=b$", "")] {
        let refused = Rule::parse_pattern(text);
        let named = matches!(&refused, Err(InvalidMapping::Group { group, .. }) if group == name);
        assert!(named, "{text}: {refused:?}");
    }
}

#[test]
fn a_host_is_whole_where_no_rule_tells_its_repositories_apart() {
    let mapping =
        Mapping::new(registry("m"), prefixes(&["quay.io=q", "ghcr.io/a=b", "x.io/a=c", "x.io=d"]));
    assert_eq!(mapping.whole_host("quay.io"), Some("m/q".to_owned()));
    assert_eq!(mapping.whole_host("docker.io"), Some("m".to_owned()));
    assert_eq!(mapping.whole_host("ghcr.io"), None);
    assert_eq!(mapping.whole_host("x.io"), None);
    assert_eq!(mapping.whole_host("quay.io.example"), Some("m".to_owned()));
    let kept = Mapping::new(registry(""), vec![]).keeping_hosts(true);
    assert_eq!(kept.whole_host("a:5000"), Some("a-5000".to_owned()));
    let pattern = vec![Rule::parse_pattern("x=y").unwrap()];
    assert_eq!(Mapping::new(registry(""), pattern).whole_host("docker.io"), None);
}

#[test]
fn a_file_holds_rules() {
    let text = "gapferry = \"map v1\"\nkeep-host = true\ntag-suffix = \"-s\"\n\n[[rule]]\n\
                from = \"quay.io\"\nto = \"q\"\ntag-suffix = \"\"\n\n[[rule]]\n\
                regex = 'ghcr\\.io/(.*)'\nto = 'g/$1'\n";
    let file = RuleFile::parse(text.as_bytes()).unwrap();
    let mapping = Mapping::new(registry(""), file.rules).keeping_hosts(file.keep_host);
    let mapping = mapping.with_affix(file.affix.unwrap());
    assert_eq!(mapped(&mapping, "quay.io/x:1"), "site:5000/q/x:1");
    assert_eq!(mapped(&mapping, "ghcr.io/x:1"), "site:5000/g/x:1-s");
    assert_eq!(mapped(&mapping, "busybox:1"), "site:5000/docker.io/library/busybox:1-s");
}

#[test]
fn a_file_that_says_something_else_is_refused_by_line() {
    let line = |text: &str| match RuleFile::parse(text.as_bytes()) {
        Err(InvalidMapping::File { line, .. }) => line,
        other => panic!("{text}: {other:?}"),
    };
    let after = |more: &str| line(&format!("gapferry = \"map v1\"\n\n{more}"));
    assert_eq!(line(""), 1);
    assert_eq!(line("gapferry = \"map v2\"\nnew = 1"), 1);
    assert_eq!(after("keephost = true"), 3);
    assert_eq!(after("[[rule]]\nfrom = \"a\"\ntoo = \"b\""), 5);
    assert_eq!(after("[[rule]]\nto = \"b\""), 3);
    assert_eq!(after("[[rule]]\nfrom = \"a\"\nregex = \"a\"\nto = \"b\""), 3);
    assert_eq!(after("[[rule]]\nfrom = \"/\"\nto = \"b\""), 3);
    assert_eq!(after("[[rule]]\nregex = \"(\"\nto = \"b\""), 3);
    assert_eq!(after("x = ["), 3);
    let deep = format!("gapferry = \"map v1\"\nx = {}", "[".repeat(100_000));
    assert_eq!(line(&deep), 2);
    assert!(RuleFile::parse(&vec![b'#'; 1024 * 1024 + 1]).is_err());
}
