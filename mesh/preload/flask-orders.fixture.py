# A service that knows of no mesh, no trace and no request id: it asks another one for each request.
import os

import requests
from flask import Flask

app = Flask(__name__)


@app.get("/orders")
def orders():
    # What the other one got.
    return requests.get(os.environ["PAYMENTS_URL"], timeout=10).headers["x-seen"]
