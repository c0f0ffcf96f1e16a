"""The page on which people watch a model learn: sessions, lessons, and the server on this machine.

tables      what a page learns from: a table and as many of its rows as may be held
walk        any step of a run, forwards and back, from a bounded number of checkpoints
session     one table, its settings and where its learning stands
view, bowl  what a page shows of that, as plain numbers
words       how learning goes
lessons     tables and settings that teach
guard       who is let in
app         the server: what can be asked, and figures of what sessions say
"""
