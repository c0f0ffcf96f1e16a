"""The server of the page, on this machine alone.

serve       a free port, the key of this run, until Ctrl-C
routes      what can be asked
drawing     what is answered about a session: figures, numbers, words
"""
