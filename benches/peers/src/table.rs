//! Markdown tables whose columns line up in a terminal too.

/// A table in the making: a heading row, then rows of the same length.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that hold words, not figures.
    words: Vec<usize>,
}

impl Table {
    /// Starts a table with these column headings.
    pub fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Table { rows: vec![headings.into_iter().map(Into::into).collect()], words: vec![0] }
    }

    /// Lets the column `column` hold words, as the first one does.
    pub fn words_in(mut self, column: usize) -> Self {
        self.words.push(column);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Prints the table: words to the left, figures to the right.
    pub fn print(&self) {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::from("|");
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line += &match self.words.contains(&column) {
                    true => format!(" {cell:<width$} |"),
                    false => format!(" {cell:>width$} |"),
                };
            }
            println!("{line}");
            if index == 0 {
                let rule = |(column, &width): (usize, &usize)| match self.words.contains(&column) {
                    true => format!("{}|", "-".repeat(width + 2)),
                    false => format!("{}:|", "-".repeat(width + 1)),
                };
                println!("|{}", widths.iter().enumerate().map(rule).collect::<String>());
            }
        }
        println!();
    }
}

/// Writes a figure with three significant digits, and thousands with commas.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as i64),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_keep_three_digits_that_matter() {
        assert_eq!(figure(0.1954), "0.195");
        assert_eq!(figure(3.124), "3.12");
        assert_eq!(figure(10.68), "10.7");
        assert_eq!(figure(1437.6), "1,438");
        assert_eq!(figure(1234567.0), "1,234,567");
    }
}
