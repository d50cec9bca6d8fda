from services.scanner.app import service
from shared.runtime import main

main(service)
