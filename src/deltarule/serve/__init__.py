"""Serving models over HTTP: predictions and explanations of rows, from model files on disk.

settings        what is served, where, and the limits
problems        RFC 9457 problem details
fields          the columns that a row must have, as a validator, JSON Schema and an example
served          one model, ready to answer
shelf           the models by name, reloaded when their files change
bodies          rows in JSON, CSV and Arrow
scoring         predictions and explanations of rows
mlflow          the request formats of MLflow's scoring server
open_inference  the Open Inference Protocol
metrics         Prometheus
guard           token, Host, Origin, size and time of requests
answers, openapi, app   the routes and their description
process         listening, workers, a graceful stop
"""
