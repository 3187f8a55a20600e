//! Queries by chance: joins of all kinds between engines, subqueries of all kinds, aggregates, set operations, over columns
//! full of NULLs, duplicates and odd text. Everything that is sorted by is selected, so that every answer is the only one.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Numeric,
    Text,
    Date,
    Timestamp,
}

use Type::{Date, Int, Numeric, Text, Timestamp};

const TYPES: [Type; 5] = [Int, Numeric, Text, Date, Timestamp];
const ENGINES: [&str; 3] = ["postgres", "mariadb", "parquet"];

/// Tables that every engine has, with the columns that are the same in all of them.
const TABLES: [(&str, &[(&str, Type)]); 6] = [
    (
        "t_num",
        &[
            ("id", Int),
            ("n_i2", Int),
            ("n_i4", Int),
            ("n_i8", Int),
            ("n_k", Int),
            ("n_d72", Numeric),
            ("n_d38", Numeric),
        ],
    ),
    ("t_txt", &[("id", Int), ("x_v", Text), ("x_t", Text), ("x_g", Text)]),
    ("t_time", &[("id", Int), ("m_d", Date), ("m_ts", Timestamp)]),
    ("emp", &[("id", Int), ("name", Text), ("dept", Int), ("boss", Int), ("pay", Numeric), ("hired", Date)]),
    ("kv", &[("k", Int), ("v", Int), ("w", Text)]),
    ("ks", &[("k", Int), ("x", Int)]),
];

/// A column in scope: as it is written, and its type.
type Column = (String, Type);

pub fn query(number: u64) -> String {
    let mut maker = Maker { random: StdRng::seed_from_u64(number), aliases: 0 };
    let types: Vec<Type> = (0..maker.random.random_range(1..=3)).map(|_| maker.a_type()).collect();
    let first = maker.select(&types, &[], 2);
    let sql = if maker.chance(0.15) {
        let operation = maker.one_of(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]);
        format!("{first} {operation} {}", maker.select(&types, &[], 1))
    } else {
        first
    };
    let order: Vec<String> =
        (1..=types.len()).map(|i| format!("{i}{}", maker.one_of(&["", " DESC", " NULLS FIRST"]))).collect();
    match maker.random.random_range(0..4) {
        0 => format!("{sql} ORDER BY {} LIMIT {}", order.join(", "), maker.random.random_range(1..12)),
        1 => format!("{sql} ORDER BY {} OFFSET {}", order.join(", "), maker.random.random_range(0..4)),
        _ => sql,
    }
}

struct Maker {
    random: StdRng,
    aliases: usize,
}

impl Maker {
    fn chance(&mut self, p: f64) -> bool {
        self.random.random_bool(p)
    }

    fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items.choose(&mut self.random).expect("never empty")
    }

    fn a_type(&mut self) -> Type {
        *[Int, Int, Text, Text, Numeric, Date, Timestamp].choose(&mut self.random).expect("never empty")
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}", self.aliases)
    }

    /// A SELECT with columns of these types. `outer`: columns of the query around it; `depth`: how deep subqueries may go.
    fn select(&mut self, types: &[Type], outer: &[Column], depth: usize) -> String {
        let (from, scope) = self.from(depth);
        let mut conditions: Vec<String> =
            (0..self.random.random_range(0..3)).map(|_| self.condition(&scope, depth)).collect();
        if !outer.is_empty()
            && let Some(correlation) = self.equality(outer, &scope)
        {
            conditions.push(correlation);
        }
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        if self.chance(0.3) {
            return self.grouped(types, &scope, &format!("{from}{filter}"));
        }
        let items: Vec<String> = types.iter().map(|t| self.value(*t, &scope, 1)).collect();
        let distinct = if self.chance(0.2) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {from}{filter}", items.join(", "))
    }

    fn grouped(&mut self, types: &[Type], scope: &[Column], rest: &str) -> String {
        let mut keys = Vec::new();
        let items: Vec<String> = types
            .iter()
            .map(|t| {
                if self.chance(0.5)
                    && let Some(column) = self.column(*t, scope)
                {
                    keys.push(column.clone());
                    return column;
                }
                self.aggregate(*t, scope)
            })
            .collect();
        let group = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        let having =
            if self.chance(0.3) { format!(" HAVING {} > 1", self.aggregate(Int, scope)) } else { String::new() };
        format!("SELECT {} FROM {rest}{group}{having}", items.join(", "))
    }

    fn aggregate(&mut self, ty: Type, scope: &[Column]) -> String {
        let distinct = if self.chance(0.3) { "DISTINCT " } else { "" };
        match ty {
            Int => match self.random.random_range(0..3) {
                0 => "count(*)".to_string(),
                1 => {
                    let ty = self.a_type();
                    format!("count({distinct}{})", self.value(ty, scope, 0))
                }
                _ => format!("{}({})", self.one_of(&["min", "max"]), self.value(Int, scope, 0)),
            },
            Numeric => match self.random.random_range(0..3) {
                0 => format!("sum({distinct}{})", self.value(Numeric, scope, 0)),
                1 => format!("avg({})", self.value(Int, scope, 0)),
                _ => format!("sum({})", self.value(Numeric, scope, 1)),
            },
            other => format!("{}({})", self.one_of(&["min", "max"]), self.value(other, scope, 0)),
        }
    }

    fn from(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (mut text, mut scope) = self.relation(depth);
        for _ in 0..self.random.random_range(0..3) {
            let (right, columns) = self.relation(depth);
            let Some(on) = self.equality(&scope, &columns) else { continue };
            let kind = self.one_of(&["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            // A full join takes no other conditions in PostgreSQL than those it can hash or merge.
            let more = if kind != "FULL JOIN" && self.chance(0.3) {
                let both: Vec<Column> = scope.iter().chain(&columns).cloned().collect();
                format!(" AND {}", self.simple_condition(&both))
            } else {
                String::new()
            };
            text = format!("{text} {kind} {right} ON {on}{more}");
            scope.extend(columns);
        }
        (text, scope)
    }

    fn relation(&mut self, depth: usize) -> (String, Vec<Column>) {
        let alias = self.alias();
        if depth > 0 && self.chance(0.12) {
            let types = [Int, self.a_type()];
            let mut inner = self.select(&types, &[], depth - 1);
            if self.chance(0.5) {
                inner = format!("{inner} UNION ALL {}", self.select(&types, &[], depth - 1));
            }
            return (
                format!("({inner}) AS {alias}(p, q)"),
                vec![(format!("{alias}.p"), types[0]), (format!("{alias}.q"), types[1])],
            );
        }
        let (table, columns) = TABLES.choose(&mut self.random).expect("never empty");
        let engine = self.one_of(&ENGINES);
        let columns = columns.iter().map(|(name, ty)| (format!("{alias}.{name}"), *ty)).collect();
        (format!("{engine}.{table} AS {alias}"), columns)
    }

    fn column(&mut self, ty: Type, scope: &[Column]) -> Option<String> {
        let fitting: Vec<&Column> = scope.iter().filter(|(_, t)| *t == ty).collect();
        fitting.choose(&mut self.random).map(|(name, _)| name.clone())
    }

    /// Two columns of one type, one of each side.
    fn equality(&mut self, left: &[Column], right: &[Column]) -> Option<String> {
        let mut types = TYPES;
        types.shuffle(&mut self.random);
        // Mostly integers, which match.
        let order = if self.chance(0.7) { [&[Int][..], &types[..]].concat() } else { types.to_vec() };
        order.into_iter().find_map(|ty| {
            let (l, r) = (self.column(ty, left)?, self.column(ty, right)?);
            Some(format!("{l} = {r}"))
        })
    }

    fn value(&mut self, ty: Type, scope: &[Column], depth: usize) -> String {
        let Some(column) = self.column(ty, scope) else { return self.literal(ty) };
        if depth == 0 || self.chance(0.5) {
            return column;
        }
        let other = self.value(ty, scope, depth - 1);
        match (ty, self.random.random_range(0..6)) {
            (_, 0) => format!("coalesce({column}, {other})"),
            (_, 1) => {
                let condition = self.simple_condition(scope);
                format!("CASE WHEN {condition} THEN {column} ELSE {other} END")
            }
            (_, 2) => format!("nullif({column}, {})", self.literal(ty)),
            (Int, 3) => format!("abs({column} % {})", self.random.random_range(2..9)),
            (Int, _) => format!("({column} / 3 - 1)"),
            (Numeric, 3) => format!("round({column}, 1)"),
            (Numeric, 4) => format!("({column} * {})", self.literal(Numeric)),
            (Numeric, _) => format!("({column} + {other})"),
            (Text, 3) => format!("upper({column})"),
            (Text, 4) => format!("substr({column}, 2, 3)"),
            (Text, _) => format!("({column} || '|' || {other})"),
            (Date, _) => format!("({column} + {})", self.random.random_range(1..40)),
            (Timestamp, _) => format!("date_trunc('{}', {column})", self.one_of(&["month", "day", "hour"])),
        }
    }

    fn literal(&mut self, ty: Type) -> String {
        let values: &[&str] = match ty {
            Int => &["0", "1", "2", "3", "7", "-1", "100"],
            Numeric => &["0.00", "1.00", "7.25", "-0.05", "2.5", "33.33"],
            Text => &["''", "'a'", "'A'", "'a '", "'é'", "'10'", "'a_b'", "'O''Reilly'", "'a\\b'", "'日本'"],
            Date => &["DATE '2024-02-29'", "DATE '2000-01-01'", "DATE '1999-12-31'"],
            Timestamp => &["TIMESTAMP '2024-02-29 12:34:56.789'", "TIMESTAMP '2000-01-01 00:00:00'"],
        };
        self.one_of(values).to_string()
    }

    fn simple_condition(&mut self, scope: &[Column]) -> String {
        let ty = loop {
            let ty = self.a_type();
            if scope.iter().any(|(_, t)| *t == ty) {
                break ty;
            }
        };
        let column = self.column(ty, scope).expect("there is one");
        match self.random.random_range(0..9) {
            0 => format!("{column} IS NULL"),
            1 => format!("{column} IS NOT NULL"),
            2 => format!("{column} IN ({}, {}, NULL)", self.literal(ty), self.literal(ty)),
            3 => format!("{column} NOT IN ({}, {})", self.literal(ty), self.literal(ty)),
            4 => format!("{column} BETWEEN {} AND {}", self.literal(ty), self.literal(ty)),
            5 => format!("{column} IS DISTINCT FROM {}", self.value(ty, scope, 0)),
            6 if ty == Text => format!("{column} LIKE '{}'", self.one_of(&["a%", "%b", "_", "%\\_%", "É%", "%"])),
            7 => {
                let (one, other) = (self.value(ty, scope, 1), self.literal(ty));
                format!("({one} <= {other} OR {column} > {other})")
            }
            _ => format!(
                "{} {} {}",
                self.value(ty, scope, 1),
                self.one_of(&["=", "<>", "<", ">", ">=", "<="]),
                self.value(ty, scope, 0)
            ),
        }
    }

    fn condition(&mut self, scope: &[Column], depth: usize) -> String {
        if depth == 0 || self.chance(0.6) {
            return self.simple_condition(scope);
        }
        let ty = scope.choose(&mut self.random).expect("never empty").1;
        let column = self.column(ty, scope).expect("there is one");
        let outer: &[Column] = if self.chance(0.5) { scope } else { &[] };
        let subquery = self.select(&[ty], outer, depth - 1);
        match self.random.random_range(0..5) {
            0 => format!("EXISTS ({subquery})"),
            1 => format!("NOT EXISTS ({subquery})"),
            2 => format!("{column} IN ({subquery})"),
            3 => format!("{column} NOT IN ({subquery})"),
            _ => format!("{column} >= (SELECT max(m.v) FROM ({subquery}) AS m(v))"),
        }
    }
}
