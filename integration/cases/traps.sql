-- Statements that others answered wrongly or not at all, one per paragraph, with what went wrong there. The tables are in
-- the source of the search path; `other.` is another source. `only`: sources whose tables have the columns.

-- a filter inside an alias: the condition kept the name of the table
select t2.id from (select * from trap_txt where id < 5) as t2 where t2.v <> '5.' order by t2.id

-- the same table twice, each with its own filter: conditions doubled, or without their qualifier
select a.id, b.id from trap_txt a, trap_txt b where a.id = 7 and b.id = 8 and a.v <> b.v order by 1, 2

-- one table in two roles and an OR over both (TPC-H Q7's shape)
select n1.name, n2.name, count(*) from dept n1, dept n2, emp e where e.dept = n1.id and n2.id <= 2 and (n1.name = 'red' and n2.name = 'blue' or n1.name = 'blue' and n2.name = 'red') group by n1.name, n2.name order by 1, 2

-- an alias qualifies a scan that has its filter inside
select x.id, y.k from (select e.id, e.dept from emp e where e.pay > 60) x join (select kv.k from kv where kv.v = 10) y on x.dept = y.k order by 1, 2

-- an alias used again at another level
select a.k from (select a.k from (select k from kv where v = 10) a where a.k is not null) a where a.k > 1 order by a.k

-- EXCEPT under an alias, the alias used inside as well
select t.k from (select t.k from kv t except select t.k from ks t) t order by t.k

-- the same column name from both sides of a join, filtered above
select s.k, s.k2 from (select a.k, b.k as k2 from kv a join ks b on a.k = b.k) s where s.k2 = 2 order by 1, 2

-- a filter on an alias over an aggregate
select g.k, g.n from (select k, count(*) as n from kv group by k) g where g.n > 1 order by g.k

-- a filter on a group's key and one on its count
select * from (select k, sum(v) as s from kv group by k) g where g.k = 1 and g.s > 0

-- a filter over a cross join of aliases
select a.k, b.x from (select k from kv where v > 5) a cross join (select x from ks) b where a.k = b.x order by 1, 2

-- a filter over DISTINCT
select d.w from (select distinct w, k from kv) d where d.k = 1 order by d.w

-- a filter over LIMIT must not go below it
select s.id from (select id from emp order by id limit 3) s where s.id > 1 order by s.id

-- a filter over a window function must not go below it
select s.id, s.n from (select id, row_number() over (order by id desc) as n from emp) s where s.id < 4 order by s.id

-- a filter over UNION ALL
select u.k from (select k from kv union all select k from ks) u where u.k >= 2 order by u.k

-- no column is wanted of the rows
select count(*) from (select from kv) s

-- no column is wanted, and the rows are limited
select count(*) from (select from kv limit 3) s

-- only a constant is wanted
select 1 as one from kv where k = 1

-- a constant from each row of a join, limited
select 'x' from kv a join ks b on a.k = b.k limit 2

-- the same again: an empty target list that survived the first run crashed in the second
select 'x' from kv a join ks b on a.k = b.k limit 2

-- EXISTS over text that the column's own collation takes for the same: MariaDB's subquery cache answered for one what is another's
select id from t_txt where exists (select 1 from kv where w = x_v) order by id

-- the same below DISTINCT and NOT
select distinct id from t_txt where x_v is not null and not exists (select 1 from kv where w = x_v) order by id

-- EXISTS wants no column
select e.id from emp e where exists (select from dept d where d.id = e.dept) order by e.id

-- EXISTS with a correlated inequality
select e.id from emp e where not exists (select 1 from emp o where o.dept = e.dept and o.id < e.id) order by e.id

-- LIMIT and a join combined gave nothing
select e.id, d.name from emp e join dept d on e.dept = d.id order by e.id limit 3 offset 1

-- LIMIT below a join
select s.id, d.name from (select id, dept from emp order by id limit 3) s left join dept d on s.dept = d.id order by s.id

-- LIMIT 0 and OFFSET beyond the end
select (select count(*) from (select id from emp limit 0) s), (select count(*) from (select id from emp offset 100) s)

-- a filter in a lateral join
select d.id, t.id from dept d cross join lateral (select e.id from emp e where e.dept = d.id order by e.pay desc, e.id limit 1) t order by 1

-- a lateral join that keeps rows without a match
select d.id, t.n from dept d left join lateral (select count(*) as n from emp e where e.dept = d.id and e.pay > 70) t on true order by 1

-- FILTER does not exist in MySQL
select k, count(*) filter (where v = 10) as n, sum(v) filter (where w <> 'a') as s from kv group by k order by k nulls first

-- FILTER that nothing passes
select count(*) filter (where false), sum(v) filter (where v > 1000), max(w) filter (where null) from kv

-- NOT IN with NULL inside
select id from emp where dept not in (select k from ks) order by id

-- NOT IN with a list that has a NULL
select id from emp where dept not in (1, null) order by id

-- NOT IN with NULL outside
select id from emp where dept not in (select id from dept where id < 3) order by id

-- NOT IN over an empty set keeps NULL
select id from emp where dept not in (select a from none) order by id

-- NOT IN of rows
select k, v from kv where (k, v) not in (select k, x from ks where x is not null) order by k, v

-- IN under OR
select id from emp where dept in (select id from dept where name = 'red') or boss = 1 order by id

-- a NULL in a constant NOT IN
select 1 where 1 not in (select null::int)

-- NULLS LAST and FIRST do not exist in MySQL
select id from emp order by dept nulls first, pay desc nulls last, id

-- descending order puts NULL first
select id, dept from emp order by dept desc, id limit 3

-- NULLS FIRST decides which rows are left
select pay from emp order by pay nulls first limit 2

-- NULL order within an aggregate
select string_agg(coalesce(w, '-'), ',' order by w desc, k, v) from kv

-- names that are words, and a quote of MySQL in a name
select "Group", "select", "a b", "x`y" from "Order" where "select" > 10 or "a b" is null order by "Group", "select"

-- the same as output names
select "Group" as "order by", sum("select") as "a`b""c" from "Order" group by "Group" order by "order by"

-- a name that differs by case only is another one
select "group" from "Order"

-- a double-quoted name is no string
select "p" from "Order"

-- || is no OR
select v || k from trap_txt where id in (1, 7) order by id

-- text and number are not compared
select id from trap_txt where v = 7

-- a text that begins like a number is no number
select id from trap_txt where v = '7' order by id

-- leading zeros count in text
select a.id, b.id from trap_txt a join trap_txt b on a.v = b.v and a.id <> b.id order by 1, 2

-- a text range, ordered by bytes
select id from trap_txt where v between '5-' and '5.' order by id

-- a text range over letters of both cases
select id from trap_txt where v >= 'A' and v < 'a' order by id

-- text order
select id, v from trap_txt order by v, id

-- text order that decides which rows are left
select v from trap_txt order by v desc nulls last, id limit 5

-- an IN list of texts is no range
select id from trap_txt where v in ('5-', '5a', 'ab') order by id

-- a long IN list of texts
select id from trap_txt where v in ('5-', '5.', 'AB', 'ab', '', ' ', '7', '007', 'a_b', 'abc', 'äb', 'x''y', 'nothing', 'Strasse') order by id

-- an IN list of other letter case
select id from trap_txt where v in ('STRASSE', 'ÄB') order by id

-- case decides in =
select id from trap_txt where v = 'ab' order by id

-- accents decide in =
select id from trap_txt where v = 'Ab' or v = 'Strasse' order by id

-- blanks at the end decide in varchar
select id from trap_txt where v = 'ab ' order by id

-- but not in char(n)
-- only: postgres mariadb
select id from trap_txt where c = 'ab  ' order by id

-- a tab after the text sorts before its blanks where text is padded
select id from trap_txt where v > 'ab' and v < 'abc' order by id

-- <> by bytes
select id from trap_txt where v <> 'AB' and v <> 'ab' order by id

-- groups by bytes
select v, count(*) from trap_txt group by v order by v

-- groups of padded text
-- only: postgres mariadb
select c, count(*) from trap_txt group by c order by c

-- DISTINCT by bytes
select count(distinct v), count(distinct k) from trap_txt

-- a join on text of which one side is folded by its engine
select a.id, b.id from trap_txt a join other.trap_txt b on a.v = b.v order by 1, 2

-- the same by a column of binary collation
select a.id, b.id from trap_txt a join other.trap_txt b on a.k = b.v order by 1, 2

-- a join of padded and plain text
-- only: postgres mariadb
select a.id, b.id from trap_txt a join trap_txt b on a.c = b.v order by 1, 2

-- an outer join on text
select a.id, b.id from trap_txt a left join other.trap_txt b on a.v = b.v and b.id < 10 order by 1, 2

-- a semi-join on text
select id from trap_txt where v in (select v from other.trap_txt where id in (7, 9, 11, 15)) order by id

-- an anti join on text
select id from trap_txt a where not exists (select 1 from other.trap_txt b where b.v = a.v and b.id <> 8) order by id

-- smallest and largest text
select min(v), max(v), min(k), max(k) from trap_txt

-- LIKE minds case
select id from trap_txt where v like 'a%' order by id

-- LIKE's wildcards as text
select id from trap_txt where v like 'a\_b' order by id

-- LIKE's escape as text
select id from trap_txt where v like 'a\\%' order by id

-- LIKE with another escape
select id from trap_txt where v like 'a!%b' escape '!' order by id

-- LIKE with no escape
select id from trap_txt where v like 'a\_b' escape '' order by id

-- LIKE minds blanks at the end
select id from trap_txt where v like 'ab ' order by id

-- NOT LIKE and NULL
select count(*) from trap_txt where v not like '%a%'

-- ILIKE folds case only
select id from trap_txt where v ilike 'ä%' or v ilike 'strasse' order by id

-- LIKE with a pattern from a column
select a.id, b.id from trap_txt a join trap_txt b on a.v like b.v where a.id <> b.id and b.v like '%\%%' order by 1, 2

-- upper and lower of letters that grow
select id, upper(v), lower(v), length(v), octet_length(v) from trap_txt where id in (14, 15, 20, 21) order by id

-- an empty text is not NULL
select count(*) from trap_txt where v = ''

-- substring from beyond the ends
select id, substring(v from 0 for 3), substring(v from 2), left(v, -1), right(v, -1) from trap_txt where id in (7, 22) order by id

-- position and replace mind case
select id, position('B' in v), replace(v, 'b', '-'), strpos(v, 'b') from trap_txt where id between 7 and 9 order by id

-- trim removes blanks only
select id, '[' || trim(v) || ']', '[' || rtrim(v) || ']' from trap_txt where id between 9 and 12 order by id

-- padding and repetition that come to nothing
select id, lpad(v, 1), rpad(v, 5, '-'), repeat(v, 0), repeat(v, -1) from trap_txt where id in (7, 22) order by id

-- greatest ignores NULL here
select id, greatest(g, i), least(g, null, 2) from trap_num order by id

-- concat ignores NULL here
select id, concat(g, '-', p) from trap_num order by id

-- a sum of integers wrapped
select sum(i), sum(b), pg_typeof(sum(i))::text, pg_typeof(sum(b))::text from trap_num

-- a sum wrapped in a group
select g, sum(b), avg(b) from trap_num group by g order by g

-- an addition wrapped
select i + i from trap_num where id = 1

-- an addition wrapped in a condition
select id from trap_num where i + 1 > 0 order by id

-- a product wrapped
select b * 2 from trap_num where id = 1

-- a difference wrapped
select i - 1 from trap_num where id = 3

-- a negation wrapped
select -i from trap_num where id = 3

-- int4 and int8 together do not overflow
select i + 1::int8, i * 2::int8 from trap_num order by id

-- division by zero gave NULL or infinity
select i / (i - i) from trap_num where id = 1

-- decimal division by zero
select p / (p - p) from trap_num where id = 1

-- float division by zero
select f / (f - f) from trap_num where id = 1

-- modulo by zero
select i % 0 from trap_num

-- integer division truncates
select id, i / 2, i % 4, -i / 2 from trap_num where id in (6, 7) order by id

-- decimal division's scale
select id, p / 3, w / 7, p / w from trap_num where id in (6, 7) order by id

-- averages of integers are numeric
select avg(i), avg(g), avg(p), avg(w) from trap_num

-- averages in groups
select g, avg(p), avg(i) from trap_num group by g order by g

-- a sum of more digits than the column has
select sum(w), sum(p), sum(w * p) from trap_num

-- a sum of products keeps its cents
select g, sum(p * (1 - p) * (1 + p)) from trap_num group by g order by g

-- a decimal literal is no float
select id from trap_num where p = 2.50 and p * 1.1 = 2.75 order by id

-- decimals of different scale are equal
select a.id, b.id from trap_num a join trap_num b on a.p = b.w order by 1, 2

-- grouped by a decimal and shown with its scale
select p, count(*) from trap_num group by p order by p

-- a case that mixes scales
select id, case when g = 1 then p else w end, coalesce(p, 0), nullif(p, 0) from trap_num order by id

-- casts round half away from zero, or to even
select id, p::int, w::bigint, f::int from trap_num where id in (6, 7) order by id

-- casts of literals
select cast(1.5 as int), cast(2.5 as int), cast(2.5::float8 as int), cast(-0.5 as int), cast(0.5::float8 as int)

-- round of both kinds
select id, round(p), round(p, 1), round(f), trunc(p), floor(p), ceil(p) from trap_num where id in (6, 7) order by id

-- a cast that overflows
select b::int from trap_num where id = 1

-- a cast of a text to a number
select v::int from trap_txt where id in (22, 23) order by id

-- a cast of a text that is none
select v::int from trap_txt where id = 24

-- a number as a text
select id, p::text, w::text, f::text, b::text from trap_num order by id

-- unconstrained numeric keeps its digits
-- only: postgres
select id, n, n + 0, n * 2, h, r from trap_num order by id

-- unconstrained numeric groups by value
-- only: postgres
select count(*), min(n), max(n) from trap_num group by n order by n

-- unconstrained numeric with NaN in conditions
-- only: postgres
select id from trap_num where n >= 2.5 order by id

-- numeric of negative scale and of 300 digits in conditions
-- only: postgres
select id from trap_num where r = 12300 or h > 1e149 order by id

-- sums of wide numerics
-- only: postgres
select sum(h), avg(h), sum(r), sum(n) from trap_num where id <> 3

-- joined over numerics of different types
-- only: postgres
select a.id, b.id from trap_num a join trap_num b on a.n = b.p order by 1, 2

-- NaN and infinity
-- only: postgres parquet
select id, n_fx, n_fx = n_fx, n_fx > 1 from t_num order by n_fx, id

-- NaN's group and zero's
-- only: postgres parquet
select n_fx + 0, count(*) from t_num where n_fx <> 'infinity' group by n_fx order by n_fx

-- types that others leave out
-- only: postgres
select id, x_u, x_jb, x_a, x_jb ->> 'k' from t_txt where id <= 4 order by id

-- uuid in conditions
-- only: postgres
select id from t_txt where x_u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' order by id

-- bytes in conditions
select id, x_by, length(x_by) from t_txt where x_by >= '\x20' order by x_by

-- to_char
select to_char(date '2024-03-05', 'YYYY'), to_char(timestamp '2024-03-05 01:02:03', 'YYYY-MM-DD HH24:MI:SS Day')

-- to_char over a table
select id, to_char(m_d, 'YYYY-MM-DD Q D'), to_char(m_ts, 'Mon FMDD HH12:MI AM US') from t_time order by id

-- date arithmetic of month ends
select id, m_d + interval '1 month', m_d + 1, m_d - date '2024-01-01' from t_time where m_d > '1900-01-01' and id <> 8 order by id

-- parts of dates
select id, extract(year from m_d), extract(dow from m_d), extract(isodow from m_d), extract(week from m_d), extract(doy from m_d) from t_time order by id

-- truncated dates
select id, date_trunc('week', m_ts), date_trunc('quarter', m_ts), date_trunc('month', m_d) from t_time where id <> 7 order by id

-- differences of timestamps
select id, m_ts - timestamp '2024-01-01', age(timestamp '2024-03-31', m_ts) from t_time where id in (1, 2, 9, 10) order by id

-- microseconds are kept
select id, m_ts, m_t from t_time order by m_ts, id

-- a date compared with a timestamp
select id from t_time where m_d < timestamp '2024-01-31 10:00' and m_ts >= date '2023-12-31' order by id

-- a time zone that the engine does not know
set timezone = 'America/New_York'; select id, m_ts::timestamptz, m_d::timestamptz from t_time where id in (1, 2, 9) order by id

-- a time zone by its offset
set timezone = 'UTC'; select id, m_ts at time zone 'Asia/Kathmandu' from t_time where id in (1, 2, 9) order by id

-- instants under a zone with summer time
-- only: postgres parquet
set timezone = 'America/New_York'; select id, m_tz, m_tz::date, extract(hour from m_tz) from t_time where id in (1, 2, 3, 9) order by id

-- a date that does not exist
select id from t_time where m_d = '2023-02-29'

-- times at the ends of the day
select id, m_t + interval '1 hour' from t_time order by id

-- boolean logic with NULL
select id, g = 1 and null, g = 1 or null, not (g = 1), g = 1 is not true from trap_num order by id

-- a comparison is no number
select g = 1 + 1 from trap_num order by id

-- IS DISTINCT FROM does not exist in MySQL
select id from trap_num where g is distinct from 1 order by id

-- chained with a join
select a.id, b.id from trap_num a join trap_num b on a.g is not distinct from b.g where a.id < b.id order by 1, 2

-- USING and full join
select k, count(*) from kv full join other.ks using (k) group by k order by k

-- a full join with a condition on one side
select a.k, a.v, b.x from kv a full join other.ks b on a.k = b.k and a.v > 10 order by 1, 2, 3

-- an outer join's condition is no filter
select a.k, b.x from kv a left join other.ks b on a.k = b.k and b.x > 1 order by 1, 2

-- a filter on the side that may be missing
select a.k, b.x from kv a left join other.ks b on a.k = b.k where b.x is null order by 1, 2

-- INTERSECT ALL and EXCEPT ALL
(select k from kv intersect all select k from other.ks) union all (select k from kv except all select k from other.ks) order by 1

-- UNION of different numeric types
select k * 1.0 from kv union select x / 2.5 from other.ks order by 1

-- GROUPING SETS do not exist in MySQL
select k, w, count(*), grouping(k, w) from kv group by grouping sets ((k), (w), ()) order by 4, 1, 2

-- HAVING without GROUP BY
select count(*) from kv having sum(v) > 1000

-- an aggregate of nothing
select sum(a), count(*), max(b), avg(a) from none

-- a group of nothing
select a, count(*) from none group by a

-- an aggregate over a join that multiplies rows
select d.name, sum(e.pay), count(distinct e.boss) from dept d left join other.emp e on e.dept = d.id group by d.name order by 1

-- a scalar subquery that returns two rows
select (select x from ks where k = 2) from dept where id = 1

-- a scalar subquery that returns none
select id, (select v from kv where k = d.id and v > 15) from dept d order by id

-- a correlated aggregate
select id from emp e where pay > (select avg(o.pay) from other.emp o where o.dept = e.dept) order by id

-- counting below a correlated subquery gives zero, not NULL
select d.id, (select count(*) from other.emp e where e.dept = d.id and e.pay > 90) from dept d order by d.id

-- random is asked once per row and in one place
select count(*) from (select random() as r from kv) s where s.r between 0 and 1 and s.r = s.r

-- now is the same everywhere in a query
select count(distinct now()) from kv

-- GROUP BY a constant, which is no position
select 1 + 1 as two, count(*) from kv group by two

-- a constant among the keys
select 1 + 1 as two, w, k, count(*) from kv group by two, w, k order by 2, 3, 4

-- a constant that would be the position of another column
select k + 0, 1 + 1 - 1, count(*) from kv group by 1 + 1 - 1, k + 0 order by k + 0

-- only a constant, and no rows
select 1 + 1 as two, count(*) from none group by two

-- constants of other types
select 'a' || 'b' as ab, null as n, true as t, count(*) from kv group by ab, n, t

-- ORDER BY a constant, which is no position
select k, w from (select k, w from kv order by 3 - 1 - 1, w nulls first, k limit 4) s order by k, w

-- a constant that an inner column stands for
select s.k, s.w from (select 3 - 1 as two, 1 = 1 as yes, k, w, v from kv) s order by s.two, s.yes desc, s.w nulls first, s.k, s.v limit 4

-- grouped by a constant that an inner column stands for
select s.two, s.yes, s.w, count(*) from (select 3 - 1 as two, 1 = 1 as yes, null::text as nix, w from kv) s group by two, yes, nix, w order by w

-- only such constants
select s.two, count(*) from (select 3 - 1 as two, w from kv) s group by two

-- DISTINCT of constants
select distinct 1 + 1 as two, 'x' as x from kv

-- PARTITION BY a constant
select k, row_number() over (partition by 1 + 1 order by 2 - 1, k, v, w) from kv order by 2

-- ORDER BY an expression that is not shown
select name from emp order by pay * -1 nulls first, id limit 3

-- DISTINCT ON
select distinct on (dept) dept, name, pay from emp order by dept nulls first, pay desc nulls last, id

-- window frames in an engine that may not have them
select id, sum(pay) over (partition by dept order by id rows between 1 preceding and current row), lag(name) over (order by id), ntile(3) over (order by id) from emp order by id

-- string_agg with an order of its own
select dept, string_agg(name, ',' order by name desc) from emp group by dept order by dept

-- a value that would end the literal
select id from trap_txt where v = '\'') or (1=1) --'

-- a backslash before a quote
select id from trap_txt where v = 'x''y' or v = 'a\_b' order by id

-- a comment in a text
select id, v || '/* -- */' from trap_txt where v = 'abc'
