//! The metrics of several processes in one text: families stay together, and what comes from elsewhere names its process.

use std::collections::HashMap;
use std::fmt::Write;

/// What a process without a port has published of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its service, for instance `worker`.
    pub service: String,
    /// A name that no other incarnation of any process has.
    pub process: String,
    /// Its metrics as Prometheus text.
    pub text: String,
}

/// One metric: its help and type, and all samples of it.
#[derive(Default)]
struct Family<'a> {
    head: Vec<&'a str>,
    samples: String,
}

/// Families by name, in the order in which they were met.
#[derive(Default)]
struct Families<'a> {
    list: Vec<Family<'a>>,
    places: HashMap<&'a str, usize>,
}

/// Puts the samples of `others` into the families of `own`, each with the labels `service` and `process` before its own.
pub fn gathered(own: &str, others: &[Published]) -> String {
    let mut families = Families::default();
    families.add(own, "");
    for Published { service, process, text } in others {
        families.add(text, &format!("service=\"{}\",process=\"{}\"", escaped(service), escaped(process)));
    }
    families.text()
}

impl<'a> Families<'a> {
    fn add(&mut self, text: &'a str, labels: &str) {
        let mut place = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                let name = words.next().filter(|word| matches!(*word, "HELP" | "TYPE")).and_then(|_| words.next());
                place = name.map(|name| self.place(name, line));
            } else if let Some(family) = place.and_then(|place: usize| self.list.get_mut(place)) {
                push_sample(&mut family.samples, line, labels);
            }
        }
    }

    /// The place of a family, to whose head the line belongs unless it stands there.
    fn place(&mut self, name: &'a str, line: &'a str) -> usize {
        let place = *self.places.entry(name).or_insert_with(|| {
            self.list.push(Family::default());
            self.list.len() - 1
        });
        let begin = line.get(..7);
        let head = &mut self.list[place].head;
        if !head.iter().any(|known| known.get(..7) == begin) {
            head.push(line);
        }
        place
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Family { head, samples } in &self.list {
            head.iter().for_each(|line| {
                let _ = writeln!(text, "{line}");
            });
            text.push_str(samples);
            text.push('\n');
        }
        text
    }
}

/// Adds `name{labels} value` or `name value`, with more labels in front.
fn push_sample(samples: &mut String, line: &str, labels: &str) {
    let Some(end) = line.find(['{', ' ']) else { return };
    let (name, rest) = line.split_at(end);
    let _ = match rest.strip_prefix('{') {
        _ if labels.is_empty() => writeln!(samples, "{line}"),
        Some(own) => writeln!(samples, "{name}{{{labels},{own}"),
        None => writeln!(samples, "{name}{{{labels}}}{rest}"),
    };
}

fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "# HELP a_total How many\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\n\n\
                       # TYPE b gauge\nb 1\n";

    fn of(service: &str, process: &str, text: &str) -> Published {
        Published { service: service.to_owned(), process: process.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_family_stands_once_with_the_samples_of_all() {
        let worker = "# HELP a_total How many\n# TYPE a_total counter\na_total{x=\"1\"} 5\n\n# TYPE b gauge\nb 4\n\n\
                      # TYPE c histogram\nc_bucket{le=\"1\"} 7\nc_sum 1.5\nc_count 7\n";
        let text = gathered(OWN, &[of("worker", "w-1", worker), of("reconciler", "r\"1", "# TYPE b gauge\nb 9\n")]);
        let expected = "# HELP a_total How many\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\n\
                        a_total{service=\"worker\",process=\"w-1\",x=\"1\"} 5\n\n\
                        # TYPE b gauge\nb 1\nb{service=\"worker\",process=\"w-1\"} 4\n\
                        b{service=\"reconciler\",process=\"r\\\"1\"} 9\n\n\
                        # TYPE c histogram\nc_bucket{service=\"worker\",process=\"w-1\",le=\"1\"} 7\n\
                        c_sum{service=\"worker\",process=\"w-1\"} 1.5\nc_count{service=\"worker\",process=\"w-1\"} 7\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn alone_it_says_the_same() {
        let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&gathered(OWN, &[])), lines(OWN));
    }

    #[test]
    fn what_is_no_metric_is_left_out() {
        let text = gathered(OWN, &[of("worker", "w", "junk\n# EOF\nmore junk 1\n# TYPE d gauge\nd\n")]);
        assert!(!text.contains("junk") && text.ends_with("# TYPE d gauge\n\n"), "{text}");
    }
}
