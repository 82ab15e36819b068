//! What a policy may say but hardly means.

use crate::baseline::Map;
use hashbrown::hash_map::Entry;

use super::Problem;
use super::decode::image_rule_nodes;
use super::document::{Document, NodeId};
use super::scalar::excerpt;
use super::types::{Action, ImageRule, Mode, Policy, Where};
use crate::image::Pattern;
use crate::source::keys::RECORD_KEYS;

/// The warnings about a policy, in no order.
pub(super) fn warnings(document: &Document<'_>, policy: &Policy) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let Some(root) = document.root() else { return warnings };
    let mut warn = |node: NodeId, message: String, help: &str| {
        warnings.push(document.problem(node, message, Some(help.into())));
    };

    if let Some(images) = document.get(root, "images") {
        let allows = policy.images.rules.iter().any(|rule| rule.action == Action::Allow);
        match (document.get(images, "mode"), policy.images.mode) {
            (Some(mode), Mode::Enforce) if !allows => {
                let help = "list the images that are authorised under images.allow, or learn them first: mode: learn";
                warn(mode, "nothing is allowed, so every image is unauthorised".into(), help);
            }
            (Some(mode), Mode::Open) if document.get(images, "allow").is_some() && allows => {
                let help = "write mode: enforce, so that other images are unauthorised";
                warn(mode, "images that allow does not name pass as well".into(), help);
            }
            _ => {}
        }
        image_rules(document, policy, images, &mut warn);
    }

    let nodes = |key| document.get(root, key).map(|list| document.items(list)).into_iter().flatten();
    for (node, exception) in nodes("exceptions").zip(&policy.exceptions) {
        if exception.scope == Where::default() && exception.rules.is_empty() && exception.reasons.is_empty() {
            let help = "say which workloads under where, or which rules under rules";
            warn(node, format!("the exception {} excuses every detection", excerpt(&exception.name)), help);
        }
    }
    for (node, window) in nodes("maintenance").zip(&policy.maintenance) {
        if window.from == window.to {
            let node = document.get(node, "to").or(document.get(node, "from")).unwrap_or(node);
            let help = "for a whole day leave out from and to";
            warn(node, format!("the window {} ends when it begins, a day later", excerpt(&window.name)), help);
        }
    }
    let field = policy.output.field.as_str();
    let taken = |key: &&str| key.strip_prefix('/').is_some_and(|key| key.split('/').next() == Some(field));
    if let Some(node) = document.get(root, "output").and_then(|output| document.get(output, "field"))
        && RECORD_KEYS.iter().any(taken)
    {
        let help = "records have it themselves: choose another one";
        warn(node, format!("the enrichment takes the place of {}", excerpt(field)), help);
    }
    warnings
}

/// Rules about the same images under the same conditions: of two that say the same one is idle, and where one denies
/// the other cannot allow.
fn image_rules(document: &Document<'_>, policy: &Policy, images: NodeId, warn: &mut dyn FnMut(NodeId, String, &str)) {
    let mut seen: Map<String, (NodeId, &ImageRule)> = Map::default();
    for ((node, _), rule) in image_rule_nodes(document, images).into_iter().zip(&policy.images.rules) {
        let key = [images_of(&rule.pattern), rule.namespaces.join("\n"), rule.tags.join("\n")].join("\n\n");
        let (before_node, before) = match seen.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                entry.insert((node, rule));
                continue;
            }
        };
        if before.action == rule.action {
            if before.until == rule.until {
                let help = format!("line {} says the same: leave one out", document.line(before_node));
                warn(node, "this rule is there twice".into(), &help);
            }
            continue;
        }
        let (this, other) = ((node, rule), (before_node, before));
        let ((denies, deny), (allows, allow)) = if rule.action == Action::Deny { (this, other) } else { (other, this) };
        let outlasts = deny.until.is_none_or(|end| allow.until.is_some_and(|other| other <= end));
        if outlasts {
            let message = format!("this rule never allows anything: line {} denies the same", document.line(denies));
            warn(allows, message, "deny beats allow: leave one out");
        }
    }
}

/// A pattern's images, the same for the spellings of one repository.
fn images_of(pattern: &Pattern) -> String {
    match pattern.literal_name() {
        Some((registry, repository)) if !pattern.has_tag() && !pattern.has_digest() => {
            format!("{registry}/{repository}")
        }
        _ => pattern.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::load;

    #[rstest::rstest]
    #[case::nothing("", "")]
    #[case::sound("images: {mode: enforce, allow: [nginx], deny: ['**/xmrig*'], tags: {reject: latest}}", "")]
    #[case::enforce_nothing("images: {mode: enforce}", "1:16 nothing is allowed, so every image is unauthorised")]
    #[case::open_allow("images:\n  mode: open\n  allow: [nginx]", "2:9 images that allow does not name pass as well")]
    #[case::open_rules("images: {mode: open, rules: [{match: nginx}]}", "")]
    #[case::twice("images:\n  allow:\n  - nginx\n  - nginx", "4:5 this rule is there twice")]
    #[case::spelt_otherwise("images: {allow: [nginx, docker.io/library/nginx]}", "1:25 this rule is there twice")]
    #[case::other_tag_of_it("images: {allow: [nginx, nginx:v1]}", "")]
    #[case::denied(
        "images: {allow: [a/b, nginx], deny: nginx}",
        "1:23 this rule never allows anything: line 1 denies the same"
    )]
    #[case::denied_before(
        "images:\n  deny: [nginx]\n  rules:\n  - {match: nginx}",
        "4:5 this rule never allows anything: line 2 denies the same"
    )]
    #[case::other_namespaces("images: {allow: nginx, rules: [{match: nginx, action: deny, namespaces: prod}]}", "")]
    #[case::other_tags("images: {allow: nginx, rules: [{match: nginx, action: deny, tags: v1}]}", "")]
    #[case::denied_for_a_while("images: {allow: nginx, rules: [{match: nginx, action: deny, until: 2027-01-31}]}", "")]
    #[case::denied_to_the_end(
        "images: {rules: [{match: a, action: deny, until: 2027-01-31}, {match: a, until: 2027-01-30}]}",
        "1:63 this rule never allows anything: line 1 denies the same"
    )]
    #[case::excuses_all("exceptions: [{name: all}]", "1:14 the exception \"all\" excuses every detection")]
    #[case::excuses_reason("exceptions: [{name: some, reasons: first-seen}]", "")]
    #[case::zero_length(
        "maintenance: [{name: patching, from: '02:00', to: '02:00'}]",
        "1:51 the window \"patching\" ends when it begins, a day later"
    )]
    #[case::whole_day("maintenance: [{name: patching, days: sun}]", "")]
    #[case::field_of_records("output: {field: log}", "1:17 the enrichment takes the place of \"log\"")]
    fn warns(#[case] text: &str, #[case] expected: &str) {
        let warnings = load(text).unwrap().warnings;
        let found = warnings.iter().map(|warning| format!("{}:{} {}", warning.line, warning.column, warning.message));
        assert_eq!(found.collect::<Vec<_>>().join("\n"), expected);
    }
}
