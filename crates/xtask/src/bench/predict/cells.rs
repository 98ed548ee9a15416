//! The kinds of requests that are measured.

/// How a request carries its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// JSON of the Open Inference Protocol, the data as one flat list.
    Json,
    /// Its binary extension, both ways.
    Binary,
    /// Nested lists, as `POST /predict` takes them, of a question whose answer is known.
    Cached,
}

/// One kind of request from so many clients at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    number: u8,
    /// The model's name.
    pub model: &'static str,
    /// How tensors travel.
    pub wire: Wire,
    /// Clients, each with one request under way.
    pub connections: usize,
    /// Slow models need more time for as many answers.
    pub longer: u32,
}

impl Cell {
    /// All cells, in the order of measuring.
    pub const ALL: [Self; 8] = [
        Self::new(0, "tiny", Wire::Json, 16, 1),
        Self::new(1, "tiny", Wire::Json, 1, 1),
        Self::new(2, "tiny", Wire::Json, 64, 1),
        Self::new(3, "tiny", Wire::Binary, 16, 1),
        Self::new(4, "tiny", Wire::Cached, 1, 1),
        Self::new(5, "mid", Wire::Json, 4, 1),
        Self::new(6, "mid", Wire::Binary, 4, 1),
        Self::new(7, "yolo_like", Wire::Binary, 2, 3),
    ];

    const fn new(number: u8, model: &'static str, wire: Wire, connections: usize, longer: u32) -> Self {
        Self { number, model, wire, connections, longer }
    }

    /// What the table calls it.
    pub fn title(&self) -> String {
        let wire = match self.wire {
            Wire::Json => "json",
            Wire::Binary => "binary",
            Wire::Cached => "cached",
        };
        format!("{} {wire} c{}", self.model, self.connections)
    }

    /// True for the last cell of its model, beside which the model's bare loop is shown.
    pub fn is_last_of_model(&self) -> bool {
        Self::ALL.iter().rfind(|cell| cell.model == self.model) == Some(self)
    }
}
