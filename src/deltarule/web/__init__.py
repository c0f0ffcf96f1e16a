"""Web page for watching a model learn: sessions, lessons, and the local server.

tables        a page's table, with a capped sample of its rows
timeline      random access to the steps of a run, from a bounded number of checkpoints
session       one table, its settings and its current step
history       undo and redo of a session's changes
row_view      the drawn rows and weights of a session, as plain numbers
loss_surface  the error over one weight or two
status        the state of learning, in words
lessons       example tables and settings
guard         request authentication
app           the server: its routes, and figures of sessions
"""
